"""Measures a ring, for OpenTelemetry."""

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from .key_usage import KeyUsage
from .ring_health import RingHealth


class Observation(NamedTuple):
    """One measurement, as OpenTelemetry reads it."""

    value: float
    attributes: Mapping[str, str | int]
    context: None = None


class RingMeter(Protocol):
    """The part of OpenTelemetry's ``Meter`` that a ring uses."""

    def create_observable_counter(
        self, name: str, callbacks: Sequence[Callable[[Any], Iterable[Any]]], unit: str, description: str
    ) -> object: ...

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[Callable[[Any], Iterable[Any]]], unit: str, description: str
    ) -> object: ...


class MeteredRing(Protocol):
    """What is read from a ring at each collection."""

    def usage(self) -> list[KeyUsage]: ...

    def health(self) -> RingHealth: ...


def measure(meter: RingMeter, ring: MeteredRing, is_closed: Callable[[], bool]) -> None:
    """``pazpaz.key.encryptions`` by key, and ``pazpaz.key.age``, the seconds since AWS confirmed the current key.

    An encryption does no extra work for it. A closed ring is no longer measured. Errors of the meter are ignored.
    """
    ring_of = weakref.ref(ring)

    def encryptions(_options: object) -> Iterable[Observation]:
        measured = ring_of()
        if measured is None or is_closed():
            return
        for key_number, version_id, count in measured.usage():
            version = {} if version_id is None else {"version_id": version_id}
            yield Observation(count, {"key_number": key_number, **version})

    def age(_options: object) -> Iterable[Observation]:
        measured = ring_of()
        health = None if measured is None or is_closed() else measured.health()
        if health is not None and health.age_seconds is not None:
            yield Observation(health.age_seconds, {"key_number": health.current_number or 0})

    with suppress(Exception):
        meter.create_observable_counter(
            "pazpaz.key.encryptions",
            [encryptions],
            "{encryption}",
            "Encryptions with a key since the ring was opened. One key may encrypt 2^32 times in all processes.",
        )
        meter.create_observable_gauge(
            "pazpaz.key.age", [age], "s", "Seconds since AWS confirmed that the current key is current."
        )
