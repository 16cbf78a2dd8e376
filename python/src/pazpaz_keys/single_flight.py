"""One call, however many wait for it."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from .errors import KeyRotationError

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.ended = threading.Event()
        self.value: T | None = None
        self.error: KeyRotationError | None = None


class SingleFlight(Generic[T]):
    """Calls by name: who asks while one of that name is under way gets the answer of that one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[T]] = {}

    def run(self, name: Hashable, call: Callable[[], T]) -> T:
        """``call`` has a time limit of its own, and fails with no error but ours; each caller gets a copy of it."""
        with self._lock:
            flight = self._flights.get(name)
            leads = flight is None
            if flight is None:
                flight = self._flights[name] = _Flight()
        if leads:
            try:
                flight.value = call()
            except KeyRotationError as error:
                flight.error = error.anew()
            finally:
                with self._lock:
                    del self._flights[name]
                flight.ended.set()
        else:
            flight.ended.wait()
        if flight.error is not None:
            raise flight.error.anew()  # a shared one would gather the tracebacks of all who waited
        if flight.value is None:
            raise KeyRotationError("CANNOT_REACH_AWS", "The call that this one waited for was broken off. Try again.")
        return flight.value
