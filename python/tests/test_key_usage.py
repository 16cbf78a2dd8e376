"""Counting encryptions, and what is done about many of them."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from clocks import MovedClock
from pazpaz_keys import KeyMaterial, KeyRing, Settings, key_usage
from ring_words import SENTENCE, code_of, events, until
from ring_world import KEYS, World

DAY = 86_400


def encrypt(ring: KeyRing, times: int) -> None:
    for _ in range(times):
        ring.encrypt_field("a")


def usage_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int, int]]:
    fields: list[Any] = [getattr(record, "event_fields", {}) for record in events(caplog, "key_usage")]
    return [(line["key_number"], line["encryptions"], line["encryptions_added"]) for line in fields]


def test_the_limits_are_2_to_the_28_and_2_to_the_32() -> None:
    assert (key_usage.FIRST_REPORT, key_usage.LAST) == (268_435_456, 4_294_967_296)


def test_the_log_tells_at_the_first_limit_and_at_each_doubling_however_often_usage_is_read(
    world: World[MovedClock], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "FIRST_REPORT", 4)
    caplog.set_level(logging.INFO, "pazpaz_keys")
    ring = world.with_keys(*KEYS[:2]).open()
    for _ in range(17):
        encrypt(ring, 1)
        ring.usage()
    assert usage_lines(caplog) == [(2, 4, 4), (2, 8, 4), (2, 16, 8)]
    fields = events(caplog, "key_usage")[0].__dict__["event_fields"]
    assert (fields["version_id"], fields["secret_id"], fields["environment"]) == ("version-2", "name", "staging")


def test_the_log_tells_once_a_day_and_when_the_ring_is_closed_of_a_thousand_or_more(
    world: World[MovedClock], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pazpaz_keys")
    ring, idle = world.with_keys(KEYS[0]).open(), world.open()
    encrypt(ring, 1500)
    encrypt(idle, 999)
    world.clock.ahead += DAY - 1
    ring.refresh()
    encrypt(ring, 1)
    world.clock.ahead += 301
    encrypt(ring, 1)  # wakes the thread
    until(lambda: len(usage_lines(caplog)) == 1)
    encrypt(ring, 1000)
    idle.close()
    ring.close()
    ring.close()
    (first, last) = usage_lines(caplog)
    assert (first[0], first[1], last) == (1, first[2], (1, 2502, 2502 - first[1]))


def test_a_key_that_has_encrypted_2_to_the_32_times_stops_with_its_own_code_and_a_new_one_goes_on(
    world: World[MovedClock], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "FIRST_REPORT", 4)
    monkeypatch.setattr(key_usage, "LAST", 16)
    ring = world.with_keys(KEYS[0]).open()
    encrypt(ring, 15)
    last = ring.encrypt_field(SENTENCE)
    assert [code_of(ring.encrypt_field, "a") for _ in range(3)] == ["KEY_EXHAUSTED"] * 3
    assert len(events(caplog, "key_exhausted")) == 1
    assert not ring.health().can_encrypt
    assert ring.decrypt_field(last) == SENTENCE
    world.secret.rotate(KEYS[1])
    ring.refresh()
    encrypt(ring, 3)
    assert ring.health().can_encrypt
    assert [usage.encryptions for usage in ring.usage()] == [16, 3]


def test_threads_that_encrypt_together_are_all_counted_and_reported_once(
    world: World[MovedClock], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "FIRST_REPORT", 1000)
    caplog.set_level(logging.INFO, "pazpaz_keys")
    ring = world.with_keys(KEYS[0]).open()
    threads = [threading.Thread(target=encrypt, args=(ring, 1000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ring.close()
    lines = usage_lines(caplog)
    assert sum(added for _, _, added in lines) + 999 >= 4000
    assert len(lines) <= 4
    assert ring.usage()[0].encryptions == 4000


class Meter:
    """As OpenTelemetry's ``Meter``."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Sequence[Callable[[Any], Iterable[Any]]]] = {}

    def create_observable_counter(
        self, name: str, callbacks: Sequence[Callable[[Any], Iterable[Any]]], unit: str = "", description: str = ""
    ) -> object:
        assert unit
        assert description
        self.callbacks[name] = callbacks
        return object()

    create_observable_gauge = create_observable_counter

    def collect(self) -> list[tuple[str, float, dict[str, Any]]]:
        return [
            (name, seen.value, seen.attributes)
            for name, callbacks in self.callbacks.items()
            for callback in callbacks
            for seen in callback(None)
        ]


def test_a_meter_measures_encryptions_and_age_until_the_ring_is_closed(world: World[MovedClock]) -> None:
    meter = Meter()
    settings = Settings("staging", "us-east-1", "name", None)
    world.with_keys(KEYS[0])
    with KeyRing.open(settings, client=world.secret, clock=world.clock, meter=meter) as ring:
        encrypt(ring, 3)
        world.clock.ahead += 30
        assert meter.collect() == [
            ("pazpaz.key.encryptions", 3, {"key_number": 1, "version_id": "version-1"}),
            ("pazpaz.key.age", 30, {"key_number": 1}),
        ]
    assert meter.collect() == []


def test_a_meter_that_fails_does_the_ring_no_harm() -> None:
    settings = Settings("local", None, None, KeyMaterial(bytes(range(32))))
    with KeyRing.open(settings, meter=object()) as ring:  # type: ignore[arg-type]
        encrypt(ring, 1)
