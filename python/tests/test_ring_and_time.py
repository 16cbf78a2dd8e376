"""The ring while time passes and AWS is silent, slow or refuses: with a secret in memory and a clock that is moved."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pytest

from clocks import ManualClock, MovedClock
from pazpaz_keys import KeyMaterial, KeyRotationError, KeyUsage, key_lookup
from ring_words import SENTENCE, code_of, events, readable, until
from ring_world import KEYS, World, flipped, forged, row_under

ENVIRONMENT_KEY = KeyMaterial(bytes(32))
MINUTE = 60
HOUR = 3600

MovedWorld: TypeAlias = World[MovedClock]


# Time passes


def test_within_a_time_to_live_of_an_hour_ten_minutes_of_load_cost_no_call(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open(time_to_live=HOUR)
    world.forget_calls()
    for _ in range(600):
        world.clock.ahead += 1
        assert ring.decrypt_field(ring.encrypt_field(SENTENCE, "a"), "a") == SENTENCE
    assert world.secret.calls == []


def test_nobody_waits_for_a_slow_aws_while_a_good_key_is_in_hand(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open(call_time_limit=60)
    world.secret.answers.clear()
    world.forget_calls()
    world.clock.ahead += 10 * MINUTE
    row = ring.encrypt_field(SENTENCE)  # has the ring ask
    until(lambda: world.secret.calls == ["DescribeSecret"])
    for _ in range(100):
        assert ring.decrypt_field(row) == SENTENCE
        ring.encrypt_field(SENTENCE)
    assert world.secret.calls == ["DescribeSecret"]  # which has not answered yet


def test_a_process_that_was_frozen_refreshes_when_it_is_used_again(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()
    world.secret.rotate(KEYS[1])
    world.clock.ahead += HOUR
    until(lambda: ring.encrypt_field(SENTENCE)[0] == 2)


def test_a_rotation_costs_one_description_and_one_value(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()
    world.secret.rotate(KEYS[1])
    world.forget_calls()
    ring.refresh()
    assert ring.encrypt_field(SENTENCE)[0] == 2
    assert world.secret.calls == ["DescribeSecret", "GetSecretValue"]


def test_a_current_key_whose_label_was_taken_away_has_no_number_and_its_rows_are_read(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()
    row = ring.encrypt_field(SENTENCE)
    world.secret.ring["versions"][0]["stages"] = ["AWSCURRENT"]
    ring.refresh()
    assert [row[0], ring.encrypt_field(SENTENCE)[0]] == [1, 0]
    assert ring.decrypt_field(row) == SENTENCE


def test_the_time_to_live_is_half_of_the_highest_age_at_most(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open(max_key_age=100, time_to_live=100)
    world.secret.rotate(KEYS[1])
    world.clock.ahead += 60
    until(lambda: ring.encrypt_field(SENTENCE)[0] == 2)


@pytest.mark.parametrize(
    "options",
    [
        {"max_key_age": 86_401},
        {"max_key_age": 0.9},
        {"time_to_live": 0.9},
        {"time_to_live": float("nan")},
        {"max_key_age": HOUR, "time_to_live": HOUR + 1},
        {"call_time_limit": 0},
        {"call_time_limit": 61},
    ],
    ids=str,
)
def test_an_option_outside_its_range_is_refused(world: MovedWorld, options: dict[str, float]) -> None:
    world.with_keys(KEYS[0])
    assert code_of(lambda: world.open(None, **options)) == "INVALID_SETTINGS"


def test_a_key_that_is_pending_only_never_encrypts(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()
    world.secret.add(KEYS[1], "AWSPENDING")
    ring.refresh()
    assert [ring.encrypt_field(SENTENCE)[0], world.open().encrypt_field(SENTENCE)[0]] == [1, 1]


def test_a_wall_clock_that_is_set_back_makes_no_key_young(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open(max_key_age=HOUR)
    world.secret.is_silent = True
    world.clock.wall_set_back = 10 * HOUR
    world.clock.ahead += HOUR + 1
    assert code_of(ring.encrypt_field, SENTENCE) == "KEY_TOO_OLD"


def test_after_an_outage_the_next_one_is_logged_too(world: MovedWorld, caplog: pytest.LogCaptureFixture) -> None:
    ring = world.with_keys(KEYS[0]).open(max_key_age=HOUR)
    for outages in (1, 2):
        world.secret.is_silent = True
        world.clock.ahead += HOUR + 1
        assert {code_of(ring.encrypt_field, SENTENCE) for _ in range(3)} == {"KEY_TOO_OLD"}
        assert len(events(caplog, "encryption_stopped")) == outages
        world.secret.is_silent = False
        ring.refresh()
        assert ring.encrypt_field(SENTENCE)[0] == 1


def test_a_version_that_cannot_be_read_while_it_becomes_current_leaves_the_old_one_encrypting(
    world: MovedWorld,
) -> None:
    ring = world.with_keys(KEYS[0]).open()
    world.secret.rotate(KEYS[1])
    world.secret.deny("version-2")
    assert code_of(ring.refresh) == "AWS_REFUSED"
    assert ring.encrypt_field(SENTENCE)[0] == 1
    world.secret.deny("version-2", False)
    world.clock.ahead += 6
    ring.refresh()
    assert ring.encrypt_field(SENTENCE)[0] == 2


# Rows that no cached key opens


def test_a_number_that_is_new_is_unavailable_while_aws_is_down_and_read_when_it_is_back(world: MovedWorld) -> None:
    reader = world.with_keys(KEYS[0]).open()
    world.secret.rotate(KEYS[1])
    world.secret.is_silent = True
    assert code_of(reader.decrypt_field, row_under(2)) == "KEY_UNAVAILABLE"
    world.secret.is_silent = False
    world.clock.ahead += 6
    # The first row after an outage has AWS asked again, and does not wait for what may hang.
    until(lambda: readable(reader, row_under(2)))


def test_while_aws_is_down_forged_rows_cost_one_call_and_none_waits_for_the_next(
    world: MovedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "_LOOKUP_COOLDOWN", 600)  # who waits, waits for ten minutes
    ring = world.with_keys(KEYS[0]).open()
    world.secret.is_silent = True
    world.forget_calls()
    assert {code_of(ring.decrypt_field, forged(number)) for number in range(2, 102)} == {"KEY_UNAVAILABLE"}
    assert world.secret.calls == ["DescribeSecret"]


def test_an_absent_number_is_answered_from_memory_until_a_refresh_shows_it(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()
    assert code_of(ring.decrypt_field, forged(3)) == "KEY_NEVER_ISSUED"
    world.forget_calls()
    assert code_of(ring.decrypt_field, forged(3)) == "KEY_NEVER_ISSUED"
    assert world.secret.calls == []
    world.secret.rotate(KEYS[1])
    world.secret.rotate(KEYS[2])
    ring.refresh()
    assert ring.decrypt_field(row_under(3)) == SENTENCE


def test_a_forged_row_with_the_next_number_does_not_make_the_first_rows_of_the_next_key_never_issued(
    world: MovedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "_CLOCK_SLACK", 0)
    ring = world.with_keys(KEYS[0]).open()
    world.clock.ahead += 6
    assert code_of(ring.decrypt_field, forged(2)) == "KEY_UNAVAILABLE"
    world.secret.rotate(KEYS[1])
    world.clock.ahead += 6  # less than an absent number is remembered
    assert ring.decrypt_field(row_under(2)) == SENTENCE


def test_a_row_of_the_next_number_is_never_issued_thirty_seconds_after_it_came_and_not_before(
    still_world: World[ManualClock],
) -> None:
    ring = still_world.with_keys(KEYS[0]).open()
    row = forged(2)
    codes = []
    for _ in range(7):
        codes.append(still_world.clock.time_of(still_world.secret, lambda: code_of(ring.decrypt_field, row))[1])
        still_world.clock.seconds += 5
    assert codes == ["KEY_UNAVAILABLE"] * 6 + ["KEY_NEVER_ISSUED"]
    _, code = still_world.clock.time_of(still_world.secret, lambda: code_of(ring.decrypt_field, forged(2)))
    assert code == "KEY_UNAVAILABLE"


def test_a_row_of_the_newest_key_is_unavailable_while_descriptions_lag_and_is_read_after_that(
    world: MovedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = world.with_keys(KEYS[0]).open()
    description = world.secret.describe_secret(SecretId="name")
    with monkeypatch.context() as lagging:
        lagging.setattr(world.secret, "describe_secret", lambda **_: description)
        world.secret.rotate(KEYS[1])
        for _ in range(3):
            world.clock.ahead += 6
            assert code_of(ring.decrypt_field, row_under(2)) == "KEY_UNAVAILABLE"
    world.clock.ahead += 6
    assert ring.decrypt_field(row_under(2)) == SENTENCE


def test_a_number_that_came_into_being_after_a_lookup_is_found_within_its_turn(
    world: MovedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookup, "_LOOKUP_COOLDOWN", 0.2)
    monkeypatch.setattr(key_lookup, "_CLOCK_SLACK", 0)
    ring = world.with_keys(KEYS[0]).open()
    assert code_of(ring.decrypt_field, forged(50)) == "KEY_NEVER_ISSUED"
    world.secret.rotate(KEYS[1])
    assert ring.decrypt_field(row_under(2)) == SENTENCE


def test_tampered_rows_under_a_known_key_cost_no_call_once_all_keys_are_at_hand(world: MovedWorld) -> None:
    ring = world.with_keys(*KEYS[:4]).open()
    world.forget_calls()
    assert {code_of(ring.decrypt_field, flipped(row_under(4))) for _ in range(50)} == {"TAMPERED_OR_WRONG_CONTEXT"}
    assert world.secret.calls == ["GetSecretValue"] * 3
    world.secret.is_silent = True
    world.clock.ahead += 6
    assert code_of(ring.decrypt_field, flipped(row_under(4))) == "TAMPERED_OR_WRONG_CONTEXT"


def test_a_flipped_bit_is_no_more_than_unavailable_while_a_key_of_older_data_cannot_be_read(world: MovedWorld) -> None:
    ring, strict = world.with_keys(*KEYS[:2]).open(), world.open(legacy=False)
    world.secret.is_silent = True
    assert code_of(ring.decrypt_field, flipped(row_under(2))) == "KEY_UNAVAILABLE"
    assert code_of(strict.decrypt_field, flipped(row_under(2))) == "TAMPERED_OR_WRONG_CONTEXT"


def test_a_ring_of_many_keys_is_not_asked_for_each_where_aws_is_slow_to_refuse(world: MovedWorld) -> None:
    ring = world.with_keys(*(bytes([byte]) * 32 for byte in range(1, 18))).open(call_time_limit=5)
    for number in range(1, 17):
        world.secret.deny(f"version-{number}")

    class Slow(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            world.clock.ahead += 2
            return super().wait(timeout)

    world.secret.answers = Slow()
    world.secret.answers.set()
    world.forget_calls()
    assert code_of(ring.decrypt_field, forged(17)) == "KEY_UNAVAILABLE"
    assert world.secret.calls.count("GetSecretValue") <= 6  # one round


def test_an_answer_without_a_value_is_no_word_on_the_key(world: MovedWorld) -> None:
    ring = world.with_keys(*KEYS[:2]).open()
    value = world.secret.ring["versions"][0].pop("secretBinary")
    assert code_of(ring.decrypt_field, row_under(1)) == "KEY_UNAVAILABLE"
    world.secret.ring["versions"][0]["secretBinary"] = value
    world.clock.ahead += 6
    assert ring.decrypt_field(row_under(1)) == SENTENCE


@pytest.mark.parametrize("length", [0, 1, 27])
def test_too_few_bytes_are_refused_before_aws_is_asked(world: MovedWorld, length: int) -> None:
    ring = world.with_keys(*KEYS[:4]).open()
    world.forget_calls()
    assert code_of(ring.decrypt_field, bytes(length)) == "INVALID_CIPHERTEXT"
    assert world.secret.calls == []


# The environment's key


def test_the_fallback_has_no_age_and_a_row_of_the_ring_is_unavailable_meanwhile(world: MovedWorld) -> None:
    world.with_keys(KEYS[0]).secret.is_silent = True
    ring = world.open(ENVIRONMENT_KEY)
    world.clock.ahead += 30 * HOUR
    row = ring.encrypt_field(SENTENCE)
    assert row[0] == 0
    assert ring.decrypt_field(row) == SENTENCE
    assert code_of(ring.decrypt_field, row_under(1)) == "KEY_UNAVAILABLE"


def test_what_the_fallback_wrote_is_lost_without_its_key_and_the_error_says_what_adds_it(world: MovedWorld) -> None:
    world.with_keys(KEYS[0]).secret.is_silent = True
    row = world.open(ENVIRONMENT_KEY).encrypt_field(SENTENCE)
    world.secret.is_silent = False
    with pytest.raises(KeyRotationError, match="ENCRYPTION_MASTER_KEY, which put --not-current adds") as error:
        world.open().decrypt_field(row)
    assert error.value.code == "TAMPERED_OR_WRONG_CONTEXT"
    world.secret.add(ENVIRONMENT_KEY.export_bytes(), "key-v2")  # what put --not-current ends in
    assert world.open().decrypt_field(row) == SENTENCE


def test_a_fallback_is_logged_each_time_that_one_begins(world: MovedWorld, caplog: pytest.LogCaptureFixture) -> None:
    for times in (1, 2):
        world.secret.is_silent = True
        ring = world.open(ENVIRONMENT_KEY)
        for _ in range(3):
            code_of(ring.refresh)
            ring.encrypt_field(SENTENCE)
        (*_, record) = records = events(caplog, "aws_unavailable_using_env_fallback")
        assert len(records) == times
        assert record.event_fields.items() >= {"secret_id": "name", "code": "CANNOT_REACH_AWS"}.items()  # type: ignore[attr-defined]
        world.secret.is_silent = False
        if times == 1:
            world.secret.rotate(KEYS[0])
        ring.refresh()
        assert ring.encrypt_field(SENTENCE)[0] == 1
        world.secret.is_silent = True
        world.clock.ahead += 10 * MINUTE
        code_of(ring.refresh)
        assert ring.encrypt_field(SENTENCE)[0] == 1  # for good: an outage later on is no fallback


@pytest.mark.parametrize(("denied", "code"), [(True, "AWS_REFUSED"), (False, "INVALID_KEY_VALUE")])
def test_a_current_key_that_cannot_be_had_is_fallen_back_from_and_taken_when_it_can(
    world: MovedWorld, caplog: pytest.LogCaptureFixture, denied: bool, code: str
) -> None:
    """The process has had no key from AWS: a value that is none is no key either, and the code says what is wrong."""
    world.secret.add(KEYS[0] if denied else bytes(24), "AWSCURRENT", denied=denied)
    assert code_of(world.open) == code
    ring = world.open(ENVIRONMENT_KEY)
    assert ring.encrypt_field(SENTENCE)[0] == 0
    (record,) = events(caplog, "aws_unavailable_using_env_fallback")
    assert record.event_fields["code"] == code  # type: ignore[attr-defined]
    world.secret.add(KEYS[1], "key-v2", "AWSCURRENT")
    ring.refresh()
    assert ring.encrypt_field(SENTENCE)[0] == 2


def test_a_key_that_cannot_be_read_puts_off_the_warning_of_an_environment_key_until_it_can(
    world: MovedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_keys(*KEYS[:2]).secret.deny("version-1")
    ring = world.open(ENVIRONMENT_KEY)
    until(lambda: len(events(caplog, "ring_key_unreadable")) == 1)
    assert events(caplog, "env_key_not_on_ring") == []
    world.secret.deny("version-1", False)
    world.clock.ahead += HOUR
    ring.encrypt_field(SENTENCE)
    until(lambda: len(events(caplog, "env_key_not_on_ring")) == 1)


def test_a_version_that_holds_no_key_is_another_than_the_environment_key(
    world: MovedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_keys(b"no key", KEYS[1])
    world.open(ENVIRONMENT_KEY)
    until(lambda: len(events(caplog, "env_key_not_on_ring")) == 1)


# Threads


def test_many_threads_are_counted_exactly(world: MovedWorld) -> None:
    ring = world.with_keys(KEYS[0]).open()

    def encrypt(_: int) -> None:
        for _ in range(500):
            ring.encrypt_field("")
        ring.usage()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(encrypt, range(8)))
    code_of(ring.encrypt_field, "\ud800")
    world.secret.rotate(KEYS[1])
    ring.refresh()
    ring.encrypt_field("")
    assert ring.usage() == [KeyUsage(1, "version-1", 4000), KeyUsage(2, "version-2", 1)]


def test_500_threads_that_wait_for_one_key_end_together_while_aws_is_slow(world: MovedWorld) -> None:
    ring = world.with_keys(*KEYS[:4]).open(call_time_limit=60)
    world.forget_calls()
    world.secret.answers.clear()
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(ring.decrypt_field(row_under(1)))) for _ in range(500)]
    for thread in threads:
        thread.start()
    until(lambda: world.secret.calls == ["GetSecretValue"])
    world.secret.answers.set()
    for thread in threads:
        thread.join(60)
    assert texts == [SENTENCE] * 500
    assert world.secret.calls == ["GetSecretValue"]
