"""The ring while AWS is in trouble, beside a key of the environment, and at its end."""

import base64
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import MovedClock, OpenRing, settings_for
from local_service import GUIDE_KEY, LocalService
from pazpaz_keys import KeyRing, KeyRotationError, decrypt_bytes, decrypt_field, encrypt_field
from ring_words import SENTENCE, code_of, events, ring_of_three, until

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
