"""The ring against the local Secrets Manager, over boto3 and HTTP."""

import base64
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import MovedClock, OpenRing, settings_for
from local_service import GUIDE_KEY, LocalService
from older_data import old_rows
from pazpaz_keys import KeyRing, KeyRotationError, decrypt_bytes, decrypt_field, encrypt_field

SENTENCE = "Patient has diabetes"


def code_of(act: object, *arguments: object) -> str:
    assert callable(act)
    with pytest.raises(KeyRotationError) as error:
        act(*arguments)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    return error.value.code


def events(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "event", None) == event]


def until(happens: object, seconds: float = 10) -> None:
    assert callable(happens)
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# The life of a secret


def test_a_ring_reads_what_was_written_before_and_after_rotations(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    rows = [ring.encrypt_field(SENTENCE)]
    assert rows[0][0] == 0  # never rotated: it has no number
    for _ in range(3):
        service.rotate(name)
        ring.refresh()
        rows.append(ring.encrypt_field(SENTENCE, "patients:7:note"))
    assert [row[0] for row in rows] == [0, 2, 3, 4]
    fresh = open_ring(name)
    for reader in (ring, fresh):
        assert reader.decrypt_field(rows[0]) == SENTENCE
        assert [reader.decrypt_field(row, "patients:7:note") for row in rows[1:]] == [SENTENCE] * 3
    assert [usage.key_number for usage in ring.usage()] == [0, 2, 3, 4]
    assert {usage.encryptions for usage in ring.usage()} == {1}


def test_a_number_that_a_key_gets_later_is_used_from_the_next_refresh_on(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    service.label(name, "key-v1", service.version_of(name, "AWSCURRENT"))
    service.forget_calls()
    ring.refresh()
    assert ring.encrypt_field(SENTENCE)[0] == 1
    assert service.calls() == {"DescribeSecret": 1}


def test_after_the_time_to_live_new_rows_carry_the_new_number(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0)
    encrypt = ring.encrypt_field  # bound before the rotation, as some applications do
    service.rotate(name)
    until(lambda: encrypt(SENTENCE)[0] == 2, 5)


def test_steady_load_costs_one_description_per_time_to_live_and_no_value(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0)
    service.forget_calls()
    started = time.monotonic()
    while time.monotonic() < started + 3.5:
        assert ring.decrypt_field(ring.encrypt_field(SENTENCE, "a"), "a") == SENTENCE
    calls = service.calls()
    assert calls.keys() == {"DescribeSecret"}
    assert 2 <= calls["DescribeSecret"] <= 3


def test_a_secret_without_a_current_key_says_so_and_can_be_opened_after_its_first_rotation(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name, None)
    assert code_of(open_ring, name) == "NO_CURRENT_KEY"
    service.rotate(name)
    assert open_ring(name).encrypt_field(SENTENCE)[0] == 1


def test_a_secret_that_is_missing_or_deleted_has_its_own_code(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    assert code_of(open_ring, name) == "SECRET_NOT_FOUND"
    service.create(name)
    service.client.delete_secret(SecretId=name)
    assert code_of(open_ring, name) == "SECRET_DELETED"


# Rows of other keys


def ring_of_three(service: LocalService, name: str) -> list[bytes]:
    """A secret with keys 1, 2 and 3, the last of them current; gives the keys."""
    service.create(name)
    service.rotate(name)
    service.rotate(name)
    versions = [service.version_of(name, f"key-v{number}") for number in (1, 2, 3)]
    answers = [service.client.get_secret_value(SecretId=name, VersionId=version) for version in versions]
    service.forget_calls()
    return [base64.b64decode(answer["SecretString"]) for answer in answers]


def test_500_decryptions_at_once_of_a_number_not_at_hand_cost_one_call(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    keys = ring_of_three(service, name)
    ring = open_ring(name)
    rows = [encrypt_field(SENTENCE, keys[0], f"row {index}", number=1) for index in range(500)]
    service.forget_calls()
    together = threading.Barrier(50)

    def decrypt(index: int) -> str:
        if index < 50:
            together.wait()
        return ring.decrypt_field(rows[index], f"row {index}")

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(decrypt, range(500))) == {SENTENCE}
    assert service.calls() == {"GetSecretValue": 1}


def test_a_number_that_a_rotation_has_just_made_is_read_with_one_more_lookup(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    reader = open_ring(name)
    service.rotate(name)
    row = open_ring(name).encrypt_field(SENTENCE)
    service.forget_calls()
    assert reader.decrypt_field(row) == SENTENCE
    assert service.calls() == {"DescribeSecret": 1, "GetSecretValue": 1}


def test_the_four_failures_have_four_codes_and_none_gives_data(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    keys = ring_of_three(service, name)
    service.label(name, "key-v1", None)
    ring = open_ring(name)
    tampered = bytearray(ring.encrypt_field(SENTENCE))
    tampered[-1] ^= 1
    assert code_of(ring.decrypt_field, tampered) == "TAMPERED_OR_WRONG_CONTEXT"
    assert code_of(ring.decrypt_field, ring.encrypt_field(SENTENCE, "a"), "b") == "TAMPERED_OR_WRONG_CONTEXT"
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, keys[0], number=1)) == "KEY_RETIRED"
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, os.urandom(32), number=99)) == "KEY_NEVER_ISSUED"
    reader = open_ring(name)
    service.fault(kind="error", type="InternalServiceError")
    assert code_of(reader.decrypt_field, encrypt_field(SENTENCE, keys[1], number=2)) == "KEY_UNAVAILABLE"
    service.heal()
    time.sleep(3.1)  # a failure is answered from memory for three seconds
    assert reader.decrypt_field(encrypt_field(SENTENCE, keys[1], number=2)) == SENTENCE


def test_forged_numbers_cannot_cause_more_than_a_bounded_rate_of_calls(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    ring_of_three(service, name)
    ring = open_ring(name)
    service.forget_calls()
    forged = [encrypt_field(SENTENCE, os.urandom(32), number=1000 + index) for index in range(300)]
    with ThreadPoolExecutor(100) as pool:
        started = time.monotonic()
        codes = set(pool.map(lambda row: code_of(ring.decrypt_field, row), forged))
        seconds = time.monotonic() - started
    assert codes == {"KEY_NEVER_ISSUED"}
    calls = service.calls()
    assert calls["DescribeSecret"] <= 2 + seconds / 3
    assert calls["GetSecretValue"] == 2  # each key of the ring once


def test_a_key_that_cannot_be_decoded_is_named_and_the_others_still_read(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    version = service.version_of(name, "AWSCURRENT")
    service.label(name, "key-v1", version)
    service.put(name, base64.b64encode(bytes(24)).decode(), "key-v2")
    key = os.urandom(32)
    service.put(name, key, "key-v3", "AWSCURRENT")
    ring = open_ring(name)
    assert ring.decrypt_field(encrypt_field(SENTENCE, base64.b64decode(GUIDE_KEY), number=1)) == SENTENCE
    assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE
    with pytest.raises(KeyRotationError, match=r"Key 2 \(version .*must be 32 bytes, got 24 bytes") as error:
        ring.decrypt_field(encrypt_field(SENTENCE, os.urandom(32), number=2))
    assert error.value.code == "INVALID_KEY_VALUE"


def test_a_row_whose_number_lost_its_label_is_read_by_a_key_at_hand(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    keys = ring_of_three(service, name)
    service.label(name, "key-v2", None)  # it is AWSPREVIOUS: its key is still read
    assert open_ring(name).decrypt_field(encrypt_field(SENTENCE, keys[1], number=2)) == SENTENCE


def test_older_data_in_every_form_under_every_key_is_read_with_a_bounded_number_of_calls(
    service: LocalService, name: str, open_ring: OpenRing, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ring_of_three(service, name)
    rows = [row for key in keys for row in old_rows(key)]
    assert len(rows) > 1000
    ring = open_ring(name)
    service.forget_calls()
    caplog.set_level(logging.DEBUG, "pazpaz_keys")
    for row, text in rows:
        assert ring.decrypt_field(row, "patients:7:note") == text
    calls = service.calls()
    assert calls["GetSecretValue"] == 2
    assert calls.get("DescribeSecret", 0) <= 2
    assert len(caplog.records) <= 2  # one for each fetched key, none for a row


def test_older_data_is_refused_where_the_ring_is_told_so(service: LocalService, name: str, open_ring: OpenRing) -> None:
    keys = ring_of_three(service, name)
    ring = open_ring(name, legacy=False)
    row, _ = next(iter(old_rows(keys[2])))
    assert code_of(ring.decrypt_field, row) in {"TAMPERED_OR_WRONG_CONTEXT", "KEY_NEVER_ISSUED"}


def test_decrypting_many_gives_each_its_text_or_its_error(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    good = ring.encrypt_field(SENTENCE, "a")
    first, second, third = ring.decrypt_fields([(good, "a"), (good, "b"), (good, "a")])
    assert (first, third) == (SENTENCE, SENTENCE)
    assert isinstance(second, KeyRotationError)
    assert second.code == "TAMPERED_OR_WRONG_CONTEXT"


# AWS in trouble


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop"},
        {"kind": "throttle"},
        {"kind": "error", "type": "InternalServiceError"},
        {"kind": "error", "type": "AccessDeniedException", "status": 400, "message": "no"},
        {"kind": "delay", "milliseconds": 3000},
    ],
    ids=lambda fault: str(fault.get("type", fault["kind"])),
)
def test_an_open_ring_goes_on_in_time_whatever_aws_does(
    service: LocalService, name: str, open_ring: OpenRing, fault: dict[str, object]
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0, call_time_limit=0.5)
    row = ring.encrypt_field(SENTENCE)
    service.fault(**fault)
    longest = 0.0
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        started = time.monotonic()
        assert ring.decrypt_field(row) == SENTENCE
        ring.encrypt_field(SENTENCE)
        longest = max(longest, time.monotonic() - started)
    assert longest < 0.4
    started = time.monotonic()
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, os.urandom(32), number=7)) == "KEY_UNAVAILABLE"
    assert time.monotonic() - started < 5


def test_an_outage_is_logged_once_a_time_to_live_with_the_age_of_the_key(
    service: LocalService, name: str, open_ring: OpenRing, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pazpaz_keys")
    service.create(name)
    ring = open_ring(name, time_to_live=60.0, clock=clock)
    service.fault(kind="error", type="InternalServiceError")
    for _ in range(12):
        clock.ahead += 10
        code_of(ring.refresh)
    ages = [record.event_fields["age_seconds"] for record in events(caplog, "key_ring_refresh_failed")]  # type: ignore[attr-defined]
    assert len(ages) == 2
    assert 10 <= ages[0] < ages[1] - 59 < 22
    service.heal()
    ring.refresh()
    assert len(events(caplog, "key_ring_refreshed_again")) == 1


def test_encrypting_stops_when_aws_was_silent_for_the_highest_age_and_decrypting_goes_on(
    service: LocalService, name: str, open_ring: OpenRing, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    service.create(name)
    ring = open_ring(name, clock=clock)
    row = ring.encrypt_field(SENTENCE)
    service.fault(kind="error", type="AccessDeniedException", status=400, message="no")
    clock.ahead += 86_000
    ring.encrypt_field(SENTENCE)
    clock.ahead += 500
    assert [code_of(ring.encrypt_field, SENTENCE) for _ in range(3)] == ["KEY_TOO_OLD"] * 3
    assert len(events(caplog, "encryption_stopped")) == 1
    assert ring.decrypt_field(row) == SENTENCE
    service.heal()
    clock.ahead += 2
    ring.encrypt_field(SENTENCE)  # asks AWS itself, as no good key is in hand


def test_a_highest_age_above_a_day_is_refused(service: LocalService, name: str, open_ring: OpenRing) -> None:
    service.create(name)
    with pytest.raises(KeyRotationError, match="max_key_age must be a number of seconds from 1 to 86400"):
        open_ring(name, max_key_age=86_401.0)
    assert open_ring(name, max_key_age=3.0).encrypt_field(SENTENCE)


def test_a_rotation_in_the_middle_of_a_load_loses_nothing(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0)
    stop = threading.Event()
    numbers: set[int] = set()

    def work(worker: int) -> int:
        rounds = 0
        while not stop.is_set():
            context = f"{worker}:{rounds}"
            row = ring.encrypt_field(SENTENCE, context)
            numbers.add(row[0])
            assert ring.decrypt_field(row, context) == SENTENCE
            rounds += 1
            time.sleep(0.001)
        return rounds

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work, worker) for worker in range(8)]
        service.rotate(name)
        until(lambda: 2 in numbers, 5)
        stop.set()
        assert sum(worker.result() for worker in workers) > 100
    assert numbers == {0, 2} or numbers == {0, 1, 2}


# The environment's key


def test_the_environment_key_encrypts_while_aws_has_given_none_and_then_never_again(
    service: LocalService, name: str, open_ring: OpenRing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pazpaz_keys")
    ring = open_ring(name, GUIDE_KEY, time_to_live=1.0)
    assert ring.is_fallen_back
    row = ring.encrypt_field(SENTENCE)
    assert row[0] == 0
    assert len(events(caplog, "aws_unavailable_using_env_fallback")) == 1
    service.create(name, base64.b64encode(os.urandom(32)).decode())
    until(lambda: not ring.is_fallen_back)
    assert len(events(caplog, "env_fallback_ended")) == 1
    assert ring.decrypt_field(row) == SENTENCE  # the variable is still set
    newer = ring.encrypt_field(SENTENCE)
    with pytest.raises(KeyRotationError):
        decrypt_bytes(newer, base64.b64decode(GUIDE_KEY))
    until(lambda: len(events(caplog, "env_key_not_on_ring")) == 1)


@pytest.mark.parametrize("number", [1, 3])
def test_no_warning_where_the_environment_key_is_on_the_ring(
    service: LocalService, name: str, open_ring: OpenRing, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    keys = ring_of_three(service, name)
    ring = open_ring(name, base64.b64encode(keys[number - 1]).decode(), time_to_live=1.0)
    time.sleep(1.2)
    assert ring.encrypt_field(SENTENCE)[0] == 3
    assert events(caplog, "env_key_not_on_ring") == []


def test_in_production_a_set_environment_key_is_warned_about(
    service: LocalService, name: str, open_ring: OpenRing, caplog: pytest.LogCaptureFixture
) -> None:
    service.create(name)
    open_ring(name, GUIDE_KEY, environment="production")
    assert len(events(caplog, "env_key_set_in_production")) == 1


# The end of a ring


def test_a_closed_ring_refuses_and_leaves_no_thread(service: LocalService, name: str) -> None:
    service.create(name)
    ring = KeyRing.open(settings_for(name))
    row = ring.encrypt_field(SENTENCE)
    ring.close()
    ring.close()
    assert code_of(ring.encrypt_field, SENTENCE) == "RING_CLOSED"
    assert code_of(ring.decrypt_field, row) == "RING_CLOSED"
    assert code_of(ring.refresh) == "RING_CLOSED"
    until(lambda: not any(thread.name.startswith("pazpaz-keys") for thread in threading.enumerate()), 2)


def test_a_ring_that_is_let_go_unclosed_ends_its_thread_too(service: LocalService, name: str) -> None:
    service.create(name)
    ring = KeyRing.open(settings_for(name), time_to_live=1.0)
    ring.encrypt_field(SENTENCE)
    del ring
    until(lambda: not any(thread.name.startswith("pazpaz-keys") for thread in threading.enumerate()), 3)


def test_with_a_key_in_hand_a_row_of_another_key_names_its_number_and_the_ring() -> None:
    row = encrypt_field(SENTENCE, os.urandom(32), number=7)
    with pytest.raises(KeyRotationError, match=r"has key number 7.*read through the key ring") as error:
        decrypt_field(row, os.urandom(32))
    assert error.value.code == "DECRYPTION_FAILED"
