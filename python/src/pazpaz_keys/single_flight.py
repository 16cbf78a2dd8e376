"""One call, however many wait for it."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

from .clock import Deadline
from .errors import KeyRotationError

T = TypeVar("T")

Flight: TypeAlias = Future[T | KeyRotationError]
"""A call under way. Its error is a result too, without a traceback: a shared one would gather those of all who wait."""


class SingleFlight(Generic[T]):
    """Calls by name: who asks while one of that name is under way gets the answer of that one.

    A call has a time limit of its own, and fails with no error but ours.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Flight[T]] = {}

    def run(self, name: Hashable, call: Callable[[], T]) -> T:
        """What the call gives, or a copy of its error."""
        flight, leads = self._join(name)
        if leads:
            self._fly(name, flight, call)
        outcome = flight.result()
        if isinstance(outcome, KeyRotationError):
            raise outcome.anew()
        return outcome

    def start(self, name: Hashable, call: Callable[[], T]) -> Flight[T]:
        """The call, made in a thread of its own: nobody has to wait for its end."""
        flight, leads = self._join(name)
        if leads:
            try:
                threading.Thread(
                    target=self._fly, args=(name, flight, call), name="pazpaz-keys-flight", daemon=True
                ).start()
            except RuntimeError:  # there is no thread for it, and neither for the call, which says so in our words
                self._fly(name, flight, call)
        return flight

    def _join(self, name: Hashable) -> tuple[Flight[T], bool]:
        """The flight of that name, and whether it is the caller's to make."""
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight, False
            flight = self._flights[name] = Future()
            return flight, True

    def _fly(self, name: Hashable, flight: Flight[T], call: Callable[[], T]) -> None:
        outcome: T | KeyRotationError = KeyRotationError(
            "CANNOT_REACH_AWS", "The call that this one waited for was broken off. Try again."
        )
        try:
            outcome = call()
        except KeyRotationError as error:
            outcome = error.anew()
        finally:
            with self._lock:
                del self._flights[name]
            flight.set_result(outcome)


def ended_flight(outcome: T | KeyRotationError) -> Flight[T]:
    """One whose outcome is known."""
    flight: Flight[T] = Future()
    flight.set_result(outcome)
    return flight


def as_they_end(flights: Iterable[Flight[T]], deadline: Deadline) -> Iterator[T | KeyRotationError]:
    """The outcome of each, the first to end first; without those that have not ended when the time is over."""
    under_way = list(flights)
    one_has_ended = threading.Event()
    for flight in under_way:
        flight.add_done_callback(lambda _: one_has_ended.set())
    while under_way and deadline.wait(one_has_ended):
        one_has_ended.clear()  # before the look at them: what ends from now on sets it again
        ended = [flight for flight in under_way if flight.done()]
        under_way = [flight for flight in under_way if flight not in ended]
        for flight in ended:
            yield flight.result()
