"""Finds the key of a row, with a bounded number of calls."""

import threading
from contextlib import suppress

from .call_timeout import ring_closed
from .clock import Deadline, Moment
from .errors import KeyRotationError
from .event_loops import runs_event_loop
from .failed_decryption import failed_decryption
from .next_number import NextNumber
from .ring_cache import RingCache
from .row import Row
from .row_attempt import RowAttempt, not_fetched
from .single_flight import Flight, SingleFlight, as_they_end

_LOOKUP_COOLDOWN = 3.0
"""At most one description per this many seconds for rows that no cached key opens. Forged rows count, too."""

_NEGATIVE_CACHE_TTL = 10.0
"""Seconds for which a number that is not on the ring counts as absent without another call."""

_MAX_ABSENT_NUMBERS = 1000  # bounds the memory that forged numbers can take


_CLOCK_SLACK = 0.01
"""A description requested this many seconds before a row came still counts as later than the row.

The writer took longer from reading its key's number to storing the row.
"""


class KeyLookup:
    """All calls for one row together have the time limit of one."""

    def __init__(self, cache: RingCache) -> None:
        self._cache = cache
        self._clock = cache.clock
        self._lock = threading.Lock()
        self._lookups: SingleFlight[bool] = SingleFlight()
        self._lookup: Flight[bool] | None = None
        self._search: Flight[bool] | None = None
        self._looked_up_at: Moment | None = None
        self._absent: dict[int, Moment] = {}
        self._next = NextNumber(cache)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._lookups = SingleFlight()
        self._lookup = None
        self._search = None
        self._next.after_fork()

    def open(self, row: Row) -> bytes:
        """Opens a row that ``Row.with_cached_keys`` could not open. Waits only as long as the calling thread may.

        A thread that runs an event loop never waits once the ring is warm, and never waits for the cooldown.
        """
        if not runs_event_loop():
            return self._open(row, waits_for_turn=True)
        return self.open_now(row) if self._cache.is_warm else self._open(row, waits_for_turn=False)

    def open_now(self, row: Row) -> bytes:
        """Opens a row with the cached keys, without calling AWS, or raises.

        If the row's key might be found in AWS, a search starts in the background (one at a time), so that a later try
        succeeds.
        """
        cache, number = self._cache, row.number
        plaintext = row.under_number_of_any(cache.keys)
        if plaintext is not None:
            return plaintext
        attempts = RowAttempt(row, cache, Deadline(self._clock, 0))
        is_open = self._is_unknown(number) or (self._next.is_of(row) and self._is_outdated())
        failure = self._failure(row, attempts, not_fetched("the number") if is_open else cache.stale_because)
        if failure.code == "KEY_UNAVAILABLE":
            self._search_in_background(row)
        try:
            raise failure
        finally:
            del failure  # otherwise the error, its traceback and this frame would hold each other

    def _open(self, row: Row, waits_for_turn: bool) -> bytes:
        """Tries the key that the row's number names, asks AWS for a new description, then tries every key of the ring.

        Takes the time limit of one call at most, plus the cooldown if it waits for it.

        Raises what ``failed_decryption`` returns; ``RING_CLOSED`` if the ring is closed meanwhile.
        """
        cache, asked_at = self._cache, self._clock.now()
        deadline = Deadline(self._clock, cache.call_time_limit)
        attempts = RowAttempt(row, cache, deadline)
        skipped: KeyRotationError | None = None
        plaintext = self._by_this_description(row, attempts, deadline)
        if plaintext is None and self._may_come(row, attempts):
            if waits_for_turn or self._is_answered(asked_at) or self._pause() == 0:
                plaintext = self._by_next_description(attempts, asked_at, deadline)
            else:
                skipped = not_fetched("the number")
                self._search_in_background(row)
        if plaintext is None:
            plaintext = attempts.with_cached_keys()
        if plaintext is None:
            plaintext = row.under_number_of_any(cache.keys)
        if plaintext is not None:
            return plaintext
        if cache.closed.is_set():
            raise ring_closed()
        stale = _too_slow(cache.call_time_limit) if deadline.is_over else cache.stale_because or skipped
        if stale is None:
            self._remember_absence(row.number)
        raise self._failure(row, attempts, stale)

    def _failure(self, row: Row, attempts: RowAttempt, stale: KeyRotationError | None) -> KeyRotationError:
        may_be_issued = self._next.may_be_issued(row)
        return failed_decryption(row.number, self._cache.labels, attempts.unread(stale), stale, may_be_issued)

    def _search_in_background(self, row: Row) -> None:
        def search() -> bool:
            with suppress(KeyRotationError):  # the next read of the row raises the reason
                self._open(row, waits_for_turn=True)
            return True

        if self._search is None or self._search.done():
            self._search = self._lookups.start("search", search)

    def _by_this_description(self, row: Row, attempts: RowAttempt, deadline: Deadline) -> bytes | None:
        plaintext = attempts.with_own_key()
        if plaintext is not None or attempts.is_decided or attempts.is_out_of_reach or deadline.is_over:
            return plaintext
        if self._is_unknown(row.number) or self._is_outdated():
            self._look_up_if_free(deadline)
        return self._with_ring(attempts, deadline)

    def _by_next_description(self, attempts: RowAttempt, asked_at: Moment, deadline: Deadline) -> bytes | None:
        """Waits for a description that was requested after the row came, and tries again.

        The cooldown does not count towards the row's time limit. While AWS does not answer, nothing waits: that would
        only make every row slow.
        """
        cache = self._cache
        while not (self._is_answered(asked_at) or cache.stale_because or cache.closed.is_set() or deadline.is_over):
            lookup = self._lookup_if_free()
            if lookup is not None:
                self._wait_for(lookup, deadline)
            else:
                pause = self._pause()
                self._clock.wait(cache.closed, pause)
                deadline.put_off(pause)
        return self._with_ring(attempts, deadline)

    def _with_ring(self, attempts: RowAttempt, deadline: Deadline) -> bytes | None:
        """Tries the ring's keys by the last description, and again if a newer one came meanwhile."""
        while True:
            labels = self._cache.labels
            plaintext = attempts.with_own_key()
            if plaintext is None:
                plaintext = attempts.with_every_key()
            if plaintext is not None or deadline.is_over or self._cache.labels is labels:
                return plaintext

    def _may_come(self, row: Row, attempts: RowAttempt) -> bool:
        return not attempts.is_decided and (self._is_unknown(row.number) or self._next.is_of(row))

    def _is_answered(self, asked_at: Moment) -> bool:
        described_at = self._cache.described_at
        return described_at is not None and described_at.monotonic >= asked_at.monotonic - _CLOCK_SLACK

    def _is_outdated(self) -> bool:
        described_at = self._cache.described_at
        return described_at is None or self._clock.since(described_at) >= _LOOKUP_COOLDOWN

    def _is_unknown(self, number: int | None) -> bool:
        """Whether the row names a number that is not on the ring and was not looked up recently."""
        labels = self._cache.labels
        if not number or (labels is not None and number in labels.version_of):
            return False
        absent_since = self._absent.get(number)
        return absent_since is None or self._clock.since(absent_since) >= _NEGATIVE_CACHE_TTL

    def _remember_absence(self, number: int | None) -> None:
        if number and self._cache.labels is not None and self._is_unknown(number):
            if len(self._absent) >= _MAX_ABSENT_NUMBERS:
                self._absent = {}
            self._absent[number] = self._clock.now()

    def _look_up_if_free(self, deadline: Deadline) -> None:
        """Starts a lookup or joins the running one. Does not wait for it while AWS does not answer."""
        is_silent = self._cache.stale_because is not None
        lookup = self._lookup_if_free()
        if lookup is not None and not is_silent:
            self._wait_for(lookup, deadline)

    def _wait_for(self, lookup: Flight[bool], deadline: Deadline) -> None:
        for _ in as_they_end([lookup], deadline):
            pass

    def _lookup_if_free(self) -> Flight[bool] | None:
        """The running lookup, or a new one; None during the cooldown."""
        with self._lock:
            if self._lookup is None or self._lookup.done():
                if self._pause() > 0:
                    return None
                self._looked_up_at = self._clock.now()
                self._lookup = self._lookups.start("lookup", self._ask)
            return self._lookup

    def _pause(self) -> float:
        looked_up_at = self._looked_up_at
        return 0.0 if looked_up_at is None else max(0.0, _LOOKUP_COOLDOWN - self._clock.since(looked_up_at))

    def _ask(self) -> bool:
        with suppress(KeyRotationError):
            self._cache.refresh()
            return True
        # A lookup that hung has used up its own cooldown, and the next one would start at once.
        self._looked_up_at = self._clock.now()
        return False


def _too_slow(seconds: float) -> KeyRotationError:
    return KeyRotationError(
        "CANNOT_REACH_AWS",
        f"AWS Secrets Manager did not return the row's key within {seconds:g} s for all calls together.",
    )
