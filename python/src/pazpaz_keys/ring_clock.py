"""The time as a ring sees it."""

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """Seconds by two clocks."""

    wall: float
    monotonic: float


class RingClock:
    """The clocks of this machine; a test gives one that it moves."""

    def now(self) -> Moment:
        return Moment(time.time(), time.monotonic())

    def since(self, moment: Moment) -> float:
        """Seconds since a moment, by the clock that says more.

        A wall clock that was set back must not make a key look young, and neither must a monotonic one that slept.
        """
        now = self.now()
        return max(now.wall - moment.wall, now.monotonic - moment.monotonic)
