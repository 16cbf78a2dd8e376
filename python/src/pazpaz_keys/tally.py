"""A count that many threads increment."""

import itertools


class Tally:
    """Counts without a lock, which would take a tenth of an encryption: a step of ``count`` is atomic."""

    def __init__(self) -> None:
        self._steps = itertools.count()
        self.readings = 0
        self.add_one = self._steps.__next__
        """Adds one. The return value means nothing."""

    def read(self) -> int:
        """The count, for one reader at a time. Each reading takes a step, too, so these are subtracted."""
        seen = next(self._steps) - self.readings
        self.readings += 1
        return seen
