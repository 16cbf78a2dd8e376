"""A count that many threads add to."""

import itertools


class Tally:
    """Counts without a lock, which costs a tenth of an encryption: no other thread sees half a step of ``count``."""

    def __init__(self) -> None:
        self._steps = itertools.count()
        self._readings = 0
        self.add_one = self._steps.__next__
        """Adds one; what it gives means nothing."""

    def read(self) -> int:
        """How often it was added to; for one reader at a time. Reading takes a step too, so those are subtracted."""
        seen = next(self._steps) - self._readings
        self._readings += 1
        return seen
