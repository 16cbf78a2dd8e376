"""Calls that always end."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .clock import RingClock
from .errors import KeyRotationError

T = TypeVar("T")


class _Call(Generic[T]):
    def __init__(self) -> None:
        self.ended = threading.Event()
        self.is_broken_off = False
        self.value: T | None = None
        self.error: BaseException | None = None


class TimedCalls:
    """Makes calls that end with an answer, at their time limit, or when the ring is closed.

    The time limit of a socket applies to each read, so a service that sends a byte now and then holds a thread forever.
    Such a thread is abandoned. It is a daemon, which does not keep the process running.
    """

    def __init__(self, seconds: float, clock: RingClock) -> None:
        """``seconds``: for one call, including retries."""
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: set[_Call[Any]] = set()
        self._have_ended = False

    def run(self, call: Callable[[], T]) -> T:
        """Returns the result of ``call`` or raises its error; ``TimeoutError`` at the time limit. Raises
        ``RING_CLOSED``.
        """
        under_way: _Call[T] = _Call()

        def answer() -> None:
            try:
                under_way.value = call()
            except BaseException as error:  # passed on below
                under_way.error = error
            under_way.ended.set()

        with self._lock:
            if self._have_ended:
                raise ring_closed()
            self._under_way.add(under_way)
        try:
            threading.Thread(target=answer, name="pazpaz-keys-call", daemon=True).start()
            if not self._clock.wait(under_way.ended, self._seconds):
                raise TimeoutError
        finally:
            with self._lock:
                self._under_way.discard(under_way)
        if under_way.is_broken_off:
            raise ring_closed()
        error, under_way.error = under_way.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # otherwise the error, its traceback and this frame would hold each other, and what the frame
                # holds
        return under_way.value  # type: ignore[return-value]  # it has ended without an error

    def end_all(self) -> None:
        """Ends running and future calls: each raises ``RING_CLOSED``."""
        with self._lock:
            self._have_ended = True
            for call in self._under_way:
                call.is_broken_off = True
                call.ended.set()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._under_way = set()


def ring_closed() -> KeyRotationError:
    return KeyRotationError("RING_CLOSED", "The key ring is closed. Open another one, or close this one later.")
