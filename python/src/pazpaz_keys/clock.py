"""The time as a ring sees it."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Moment(NamedTuple):
    """Seconds by two clocks."""

    wall: float
    monotonic: float


class RingClock:
    """The clocks of this machine; a test gives one that it moves."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.wall = wall
        """Seconds since 1970. Somebody may set it back."""
        self.monotonic = monotonic
        """Seconds since some moment. Only grows, but may stand still while the machine sleeps."""

    def now(self) -> Moment:
        return Moment(self.wall(), self.monotonic())

    def since(self, moment: Moment) -> float:
        """Seconds since a moment, by the clock that says more.

        A wall clock that was set back must not make a key look young, and neither must a monotonic one that slept.
        """
        by_wall, by_monotonic = self.wall() - moment.wall, self.monotonic() - moment.monotonic
        return by_wall if by_wall > by_monotonic else by_monotonic  # max() takes twice as long as the rest

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Whether it is set within so many seconds; waits no longer."""
        return event.wait(seconds)


class Deadline:
    """The time that is left for everything that is done for one caller together."""

    def __init__(self, clock: RingClock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return self._clock.monotonic() >= self._end

    def put_off(self, seconds: float) -> None:
        self._end += seconds

    def wait(self, event: threading.Event) -> bool:
        """Whether it is set before the time is over."""
        return self._clock.wait(event, max(0.0, self._end - self._clock.monotonic()))
