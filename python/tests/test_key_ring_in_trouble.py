"""The ring while AWS is in trouble, beside a key of the environment, and at its end."""

import base64
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config

from clocks import MovedClock
from conftest import OpenRing, settings_for
from local_service import FIRST_KEY, LocalService
from pazpaz_keys import KeyRing, KeyRotationError, decrypt_bytes, decrypt_field, encrypt_field
from ring_words import SENTENCE, code_of, events, ring_of_three, until
from rubbish_service import RUBBISH, RubbishService
from secret_in_memory import secret_with

# AWS in trouble


FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "down": ({"kind": "drop"}, "CANNOT_REACH_AWS"),
    "throttling": ({"kind": "throttle"}, "AWS_REFUSED"),
    "in trouble": ({"kind": "error", "type": "InternalServiceError"}, "AWS_REFUSED"),
    "denying": ({"kind": "error", "type": "AccessDeniedException", "status": 400, "message": "no"}, "AWS_REFUSED"),
    "slow": ({"kind": "delay", "milliseconds": 4000}, "CANNOT_REACH_AWS"),
}
with_each_fault = pytest.mark.parametrize(("fault", "code"), FAULTS.values(), ids=FAULTS.keys())


@with_each_fault
def test_an_open_ring_goes_on_whatever_aws_does(
    service: LocalService, name: str, open_ring: OpenRing, fault: dict[str, object], code: str
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0, call_time_limit=2.0, client=service.client)
    row = ring.encrypt_field(SENTENCE)
    service.fault(**fault)
    end = time.monotonic() + 1.5  # longer than the time to live
    while time.monotonic() < end:
        assert ring.decrypt_field(row) == SENTENCE
        assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE
    assert code_of(ring.refresh) == code
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, os.urandom(32), number=7)) == "KEY_UNAVAILABLE"


def test_a_request_that_hangs_is_given_up_and_another_one_made_within_the_time_limit(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    service.fault(operation="DescribeSecret", kind="delay", milliseconds=10_000, nth=1)
    ring.refresh()  # whose time limit is 5 seconds


@pytest.mark.parametrize("time_limit", [0.5, 5.0, 60.0])
def test_one_request_gets_most_of_a_time_limit_and_leaves_time_for_another(
    service: LocalService, name: str, open_ring: OpenRing, monkeypatch: pytest.MonkeyPatch, time_limit: float
) -> None:
    made: list[Config] = []

    def make(**given: Any) -> Config:
        made.append(Config(**given))
        return made[-1]

    monkeypatch.setattr("botocore.config.Config", make)
    service.create(name)
    open_ring(name, call_time_limit=time_limit)
    (config,) = made
    assert config.connect_timeout + config.read_timeout < time_limit
    assert config.read_timeout >= time_limit / 2


@pytest.mark.parametrize("kind", RUBBISH)
def test_an_open_ring_goes_on_while_something_else_answers_in_the_place_of_aws(kind: str) -> None:
    secret = secret_with(os.urandom(32))
    with RubbishService(kind, "rubbish") as rubbish:
        ring = KeyRing.open(settings_for("name"), call_time_limit=1.0, client=secret)
        with ring:
            row = ring.encrypt_field(SENTENCE)
            secret.describe_secret = rubbish.client.describe_secret  # type: ignore[method-assign]
            secret.get_secret_value = rubbish.client.get_secret_value  # type: ignore[method-assign]
            assert code_of(ring.refresh) == "CANNOT_REACH_AWS"
            assert ring.decrypt_field(row) == SENTENCE
            assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE
            unknown = encrypt_field(SENTENCE, os.urandom(32), number=7)
            assert code_of(ring.decrypt_field, unknown) == "KEY_UNAVAILABLE"


@with_each_fault
def test_opening_ends_in_time_with_the_reason_or_with_the_key_of_the_environment(
    service: LocalService,
    name: str,
    open_ring: OpenRing,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, object],
    code: str,
) -> None:
    key = os.urandom(32)
    service.create(name, base64.b64encode(key).decode())
    service.fault(**fault)
    options = {"call_time_limit": 2.0, "client": service.client}
    assert code_of(lambda: open_ring(name, **options)) == code
    ring = open_ring(name, FIRST_KEY, **options)
    row = ring.encrypt_field(SENTENCE)
    assert decrypt_field(row, base64.b64decode(FIRST_KEY), legacy=False) == SENTENCE
    (record,) = events(caplog, "aws_unavailable_using_env_fallback")
    assert record.event_fields["code"] == code  # type: ignore[attr-defined]
    service.heal()
    ring.refresh()
    assert decrypt_field(ring.encrypt_field(SENTENCE), key, legacy=False) == SENTENCE
    assert ring.decrypt_field(row) == SENTENCE


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
    ring.encrypt_field(SENTENCE)  # asks AWS itself, as no good key is cached


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
    ring = open_ring(name, FIRST_KEY, time_to_live=1.0)
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
        decrypt_bytes(newer, base64.b64decode(FIRST_KEY))
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
    open_ring(name, FIRST_KEY, environment="production")
    assert len(events(caplog, "env_key_set_in_production")) == 1


# Without a ring


def test_with_a_key_in_hand_a_row_of_another_key_names_its_number_and_the_ring() -> None:
    row = encrypt_field(SENTENCE, os.urandom(32), number=7)
    with pytest.raises(KeyRotationError, match=r"has key number 7.*read through the key ring") as error:
        decrypt_field(row, os.urandom(32))
    assert error.value.code == "DECRYPTION_FAILED"
