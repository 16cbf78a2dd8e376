"""The clocks that a ring uses."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)  # read for every encryption, and faster than a NamedTuple
class Moment:
    """Seconds on two clocks."""

    wall: float
    monotonic: float


class RingClock:
    """The clocks of this machine. Tests replace it."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.wall = wall
        """Seconds since 1970. The wall clock can be set back."""
        self.monotonic = monotonic
        """Seconds since an arbitrary moment. It never goes back, but may stop while the machine sleeps."""

    def now(self) -> Moment:
        return Moment(self.wall(), self.monotonic())

    def since(self, moment: Moment) -> float:
        """Seconds since a moment, by the clock that shows more.

        A wall clock that was set back, or a monotonic clock that slept, must not make a key look young.
        """
        by_wall, by_monotonic = self.wall() - moment.wall, self.monotonic() - moment.monotonic
        return by_wall if by_wall > by_monotonic else by_monotonic  # max() takes twice as long as the rest

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Whether it is set within this many seconds. Waits no longer."""
        return event.wait(seconds)


class Deadline:
    """The remaining time of everything that is done for one caller."""

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
