"""Rows with the number that the next rotation will give."""

import threading

from .ciphertext import TAG_BYTES
from .ring_cache import RingCache
from .row import Row

_DESCRIPTION_LAG = 30.0
"""How long AWS's descriptions may lag behind a rotation, in seconds.

Another process may have the new key at once: ``GetSecretValue`` of a new version answers before every
``DescribeSecret`` shows it.
"""

_MAX_ROWS = 1000  # remembered rows; the oldest is dropped, and gets the full time again


class NextNumber:
    """Such a row is 'unavailable' until a later description does not show its number either.

    Later means requested ``_DESCRIPTION_LAG`` after the row first came. The time is counted per row, so that an old
    forged row does not use up the time of the first rows of a new key.
    """

    def __init__(self, cache: RingCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._first_seen: dict[bytes, float] = {}
        """By the tag, which differs between rows. Seconds of the monotonic clock."""

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def is_of(self, row: Row) -> bool:
        """Whether the row names the number that the next rotation will give."""
        labels = self._cache.labels
        return row.number == (0 if labels is None else labels.highest_number) + 1

    def may_be_issued(self, row: Row) -> bool:
        """Whether the row has this number and the last description may be too old to show it. Remembers the row."""
        if not self.is_of(row):
            return False
        described_at = self._cache.described_at
        return described_at is None or described_at.monotonic - self._seen(row) < _DESCRIPTION_LAG

    def _seen(self, row: Row) -> float:
        tag = row.data[-TAG_BYTES:]
        with self._lock:
            known = self._first_seen.get(tag)
            if known is None:
                if len(self._first_seen) >= _MAX_ROWS:
                    del self._first_seen[next(iter(self._first_seen))]
                known = self._first_seen[tag] = self._cache.clock.monotonic()
            return known
