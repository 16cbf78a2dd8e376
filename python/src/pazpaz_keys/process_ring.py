"""The ring of the process, for code that is not given one, such as a column type."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from .errors import KeyRotationError, without_frames
from .forks import renew_in_child
from .key_ring import KeyRing

RingSource = KeyRing | Callable[[], KeyRing]
"""A ring, or a function that returns one when it is first needed."""

_FAILURE_TTL = 5.0
"""Seconds for which a failed opening is answered from memory, so that an outage does not slow every query."""


class RingPlace(Protocol):
    """Where a ring is found without a call, which would be one for each cell of a query."""

    @property
    def opened(self) -> KeyRing | None: ...


class _Given:
    def __init__(self, ring: KeyRing) -> None:
        self.opened = ring


class _Asked:
    def __init__(self, source: Callable[[], KeyRing]) -> None:
        self._source = source

    @property
    def opened(self) -> KeyRing:
        return self._source()


class _SharedRing:
    def __init__(self) -> None:
        self.opened: KeyRing | None = None
        self._is_given = False
        self._lock = threading.Lock()
        self._failure: KeyRotationError | None = None
        self._failed_at = 0.0
        renew_in_child(self, _SharedRing._after_fork)

    def get(self) -> KeyRing:
        with self._lock:
            ring = self.opened
            if ring is not None and (self._is_given or not ring.is_closed):
                return ring
            if self._failure is not None and time.monotonic() - self._failed_at < _FAILURE_TTL:
                raise without_frames(self._failure)
            try:
                self.opened = KeyRing.open()
            except KeyRotationError as error:
                self._failure, self._failed_at = error.without_traceback(), time.monotonic()
                raise without_frames(error) from None
            self._failure = None
            return self.opened

    def give(self, ring: KeyRing | None) -> None:
        with self._lock:
            self.opened, self._is_given, self._failure = ring, ring is not None, None

    def _after_fork(self) -> None:
        self._lock = threading.Lock()


_shared = _SharedRing()


def shared_ring() -> KeyRing:
    """The ring of this process. The first call opens it with the settings of the environment, and waits for AWS.

    Call ``shared_ring().warm()`` when the process starts, so that no query waits. Close the ring at the end: a later
    call opens a new one. To use a ring with options of your own, pass it to ``share_ring`` first.

    Raises what ``KeyRing.open`` raises. A failed opening is tried again after five seconds.
    """
    ring = _shared.opened
    return ring if ring is not None and not ring._is_closed else _shared.get()


def share_ring(ring: KeyRing | None) -> None:
    """Makes ``ring`` the ring of this process. With None, the next ``shared_ring()`` opens one.

    Does not close the ring that was shared before.
    """
    _shared.give(ring)


def ring_of(source: RingSource) -> KeyRing:
    return source if isinstance(source, KeyRing) else source()


def place_of(source: RingSource) -> RingPlace:
    """The ring that is found there may be closed: then its keys are gone. It is None before the first use."""
    if isinstance(source, KeyRing):
        return _Given(source)
    return _shared if source is shared_ring else _Asked(source)
