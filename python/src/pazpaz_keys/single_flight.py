"""One call, shared by all who wait for it."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

from .clock import Deadline
from .errors import KeyRotationError

T = TypeVar("T")

Flight: TypeAlias = Future[T | KeyRotationError]
"""A running call. Its error is a result, too, without a traceback: a shared one would collect those of all callers."""


class SingleFlight(Generic[T]):
    """Calls by name. A second call by the same name gets the result of the running one.

    Each call has its own time limit, and fails only with a ``KeyRotationError``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Flight[T]] = {}

    def run(self, name: Hashable, call: Callable[[], T]) -> T:
        """The result of the call, or a copy of its error."""
        flight, leads = self._join(name)
        if leads:
            self._fly(name, flight, call)
        outcome = flight.result()
        if isinstance(outcome, KeyRotationError):
            raise outcome.without_traceback()
        return outcome

    def start(self, name: Hashable, call: Callable[[], T]) -> Flight[T]:
        """Makes the call in a new thread, so that no one has to wait for its end."""
        flight, leads = self._join(name)
        if leads:
            try:
                threading.Thread(
                    target=self._fly, args=(name, flight, call), name="pazpaz-keys-flight", daemon=True
                ).start()
            except RuntimeError:  # no thread could start for it, and none can for the call, which then raises our error
                self._fly(name, flight, call)
        return flight

    def _join(self, name: Hashable) -> tuple[Flight[T], bool]:
        """The flight by that name, and whether the caller has to make the call."""
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight, False
            flight = self._flights[name] = Future()
            return flight, True

    def _fly(self, name: Hashable, flight: Flight[T], call: Callable[[], T]) -> None:
        outcome: T | KeyRotationError = KeyRotationError(
            "CANNOT_REACH_AWS", "The shared call was interrupted. Try again."
        )
        try:
            outcome = call()
        except KeyRotationError as error:
            outcome = error.without_traceback()
        finally:
            with self._lock:
                del self._flights[name]
            flight.set_result(outcome)


def ended_flight(outcome: T | KeyRotationError) -> Flight[T]:
    """A flight with a known result."""
    flight: Flight[T] = Future()
    flight.set_result(outcome)
    return flight


def as_they_end(flights: Iterable[Flight[T]], deadline: Deadline) -> Iterator[T | KeyRotationError]:
    """The results in the order in which they come, without those that are not there when the time is over."""
    under_way = list(flights)
    one_has_ended = threading.Event()
    for flight in under_way:
        flight.add_done_callback(lambda _: one_has_ended.set())
    while under_way and deadline.wait(one_has_ended):
        one_has_ended.clear()  # before checking them: a flight that ends from now on sets it again
        ended = [flight for flight in under_way if flight.done()]
        under_way = [flight for flight in under_way if flight not in ended]
        for flight in ended:
            yield flight.result()
