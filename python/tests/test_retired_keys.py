"""A ring forgets a key that was retired, and keeps one whose label is merely gone."""

import threading

import pytest

from clocks import MovedClock
from older_data import FORMS, old_box
from pazpaz_keys import KeyMaterial, KeyRing, encrypt_field
from ring_words import SENTENCE, code_of, events
from ring_world import KEYS, World, row_under

MovedWorld = World[MovedClock]


@pytest.fixture
def ring(world: MovedWorld) -> KeyRing:
    """A ring of three keys, all of them read."""
    ring = world.with_keys(*KEYS[:3]).open()
    for number in (1, 2, 3):
        assert ring.decrypt_field(row_under(number)) == SENTENCE
    return ring


def retire(world: MovedWorld, number: int) -> None:
    world.secret.record_retirement(number)
    world.secret.unlabel(number)


def test_a_key_that_was_retired_is_forgotten_in_every_way_that_a_row_is_opened(
    world: MovedWorld, ring: KeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pazpaz_keys")
    retire(world, 1)
    ring.refresh()
    assert code_of(ring.decrypt_field, row_under(1)) == "KEY_RETIRED"
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, KEYS[0])) == "TAMPERED_OR_WRONG_CONTEXT"
    for form in FORMS.values():
        code_of(ring.decrypt_field, form(old_box(KEYS[0], SENTENCE, bytes(range(12)))))
    assert ring.decrypt_field(row_under(2)) == SENTENCE
    ring.refresh()
    (forgotten,) = events(caplog, "ring_key_forgotten")
    assert forgotten.event_fields["key_number"] == 1  # type: ignore[attr-defined]


def test_a_key_whose_label_is_merely_gone_is_kept_and_one_warning_says_so_until_the_label_is_back(
    world: MovedWorld, ring: KeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    for warnings in (1, 2):
        world.secret.unlabel(1)
        ring.refresh()
        ring.refresh()
        assert ring.decrypt_field(row_under(1)) == SENTENCE
        lost = events(caplog, "ring_key_lost_label")
        assert [record.event_fields["key_number"] for record in lost] == [1] * warnings  # type: ignore[attr-defined]
        world.secret.version(1)["stages"] = ["key-v1"]
        ring.refresh()
    assert events(caplog, "ring_key_forgotten") == []


def test_a_record_beside_a_label_and_one_that_names_another_version_are_no_reason_to_forget(
    world: MovedWorld, ring: KeyRing
) -> None:
    world.secret.record_retirement(1)
    ring.refresh()
    assert ring.decrypt_field(row_under(1)) == SENTENCE
    world.secret.unlabel(1)
    world.secret.tags = {"pazpaz:retired:key-v1": "another 2026-01-01T00:00:00.000Z", "pazpaz:retired:key-v": "x"}
    ring.refresh()
    assert ring.decrypt_field(row_under(1)) == SENTENCE


@pytest.mark.parametrize("number", [2, 3])
def test_a_key_that_is_current_or_previous_is_never_forgotten(world: MovedWorld, ring: KeyRing, number: int) -> None:
    world.secret.version(2)["stages"].append("AWSPREVIOUS")
    retire(world, number)
    ring.refresh()
    assert ring.decrypt_field(row_under(number)) == SENTENCE


def test_a_key_that_was_restored_is_read_again(world: MovedWorld, ring: KeyRing) -> None:
    retire(world, 1)
    ring.refresh()
    world.secret.version(1)["stages"] = ["key-v1"]
    ring.refresh()
    assert ring.decrypt_field(row_under(1)) == SENTENCE


def test_a_key_that_is_read_while_its_retirement_becomes_known_is_not_kept(world: MovedWorld) -> None:
    ring = world.with_keys(*KEYS[:3]).open()
    given, is_asked, may_answer = world.secret.get_secret_value, threading.Event(), threading.Event()

    def slow(*, SecretId: str, VersionId: str = "") -> object:  # noqa: N803
        answer = given(SecretId=SecretId, VersionId=VersionId)
        is_asked.set()
        may_answer.wait(10)
        return answer

    world.secret.get_secret_value = slow  # type: ignore[method-assign, assignment]
    reading = threading.Thread(target=lambda: ring.decrypt_fields([(row_under(1), "")]))
    reading.start()
    assert is_asked.wait(10)
    retire(world, 1)
    ring.refresh()
    may_answer.set()
    reading.join()
    assert code_of(ring.decrypt_field, row_under(1)) == "KEY_RETIRED"


def test_a_retired_key_that_the_environment_holds_reads_as_long_as_it_is_set_there(world: MovedWorld) -> None:
    ring = world.with_keys(*KEYS[:3]).open(KeyMaterial(KEYS[0]))
    assert ring.decrypt_field(row_under(1)) == SENTENCE
    retire(world, 1)
    ring.refresh()
    assert ring.decrypt_field(encrypt_field(SENTENCE, KEYS[0])) == SENTENCE


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_key_whose_number_has_moved_to_a_copy_opens_its_rows_and_nothing_warns_of_it(
    world: MovedWorld, ring: KeyRing, caplog: pytest.LogCaptureFixture, is_listed: bool
) -> None:
    former = world.secret.version(1)["versionId"]
    other = "0d8b1a3e-0000-4000-8000-000000000002"
    world.secret.tags[f"pazpaz:copy:{other if is_listed else former}"] = f"2026-11-30 {former}"
    world.secret.unlabel(1)
    ring.refresh()
    assert ring.decrypt_field(row_under(1)) == SENTENCE
    assert "ring_key_lost_label" not in caplog.text


def test_a_key_that_was_moved_and_then_retired_is_forgotten_under_its_former_version(
    world: MovedWorld, ring: KeyRing
) -> None:
    world.secret.tags[f"pazpaz:copy:{world.secret.version(1)['versionId']}"] = "moved"
    world.secret.unlabel(1)
    world.secret.tags["pazpaz:retired:key-v1"] = "0d8b1a3e-0000-4000-8000-000000000001 2026-11-30"
    ring.refresh()
    assert code_of(ring.decrypt_field, row_under(1)) == "KEY_RETIRED"
    assert ring.decrypt_field(row_under(2)) == SENTENCE
