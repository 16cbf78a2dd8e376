"""How often each key has encrypted, in this process."""

import threading
from typing import NamedTuple

from .application_log import log_event
from .clock import RingClock
from .errors import KeyRotationError
from .tally import Tally

FIRST_REPORT = 2**28
"""The log first reports a key after this many encryptions, and then at each doubling."""

LAST = 2**32
"""The limit for random nonces (NIST SP 800-38D, section 8.3)."""

_FEWEST_REPORTED = 1000
"""The log also reports a key once a day, and when the ring is closed, if at least this many were added."""

_DAY = 86_400.0


class KeyUsage(NamedTuple):
    """How often a key has encrypted. A key may encrypt 2^32 times in all processes (NIST SP 800-38D, section 8.3)."""

    key_number: int
    """0 if the number was not known, or for the environment's key."""
    version_id: str | None
    """None for the environment's key."""
    encryptions: int


class KeyCount:
    """The encryptions of one key. A writer calls ``add_one`` and compares the result with ``report_at``."""

    def __init__(self, number: int, version_id: str | None) -> None:
        self.number = number
        self.version_id = version_id
        self.report_at = FIRST_REPORT - 1
        """The step at which to call ``reached``. Reading the count takes steps, too, which only bring it forward."""
        self.next_report = FIRST_REPORT
        self.reported = 0
        self.tally = Tally()
        self.add_one = self.tally.add_one
        self.is_exhausted = False


class UsageCounter:
    """Counts without a lock while nothing is reported."""

    def __init__(self, about: dict[str, str | int], clock: RingClock) -> None:
        """``about``: fields of every line of the log."""
        self._about = about
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str | None, KeyCount] = {}
        self._reported_at = clock.now()

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def of(self, version_id: str | None, number: int) -> KeyCount:
        """The count of a key. ``version_id``: None for the environment's key. Raises ``KEY_EXHAUSTED`` at 2^32."""
        count = self._counts.setdefault(version_id, KeyCount(number, version_id))  # one step, so that no other thread
        # comes in between
        count.number = number
        if count.is_exhausted:
            raise _exhausted(number)
        return count

    def is_exhausted(self, version_id: str | None) -> bool:
        """Whether a key has reached 2^32 in this process."""
        count = self._counts.get(version_id)
        return count is not None and count.is_exhausted

    def usage(self) -> list[KeyUsage]:
        with self._lock:
            return [KeyUsage(count.number, count.version_id, count.tally.read()) for count in self._counts.values()]

    def reached(self, count: KeyCount) -> None:
        """Logs a count that may have reached its next report. The one after that comes at twice as many."""
        with self._lock:
            encryptions = count.tally.read()
            is_due = encryptions >= count.next_report
            if is_due:
                count.next_report *= 2
            count.report_at = count.next_report - 1 + count.tally.readings
            was_exhausted, count.is_exhausted = count.is_exhausted, encryptions >= LAST
            added, count.reported = encryptions - count.reported, encryptions if is_due else count.reported
        if is_due:
            self._log(count, encryptions, added)
        if count.is_exhausted and not was_exhausted:
            log_event("key_exhausted", self._about | _named(count))

    def report_daily(self) -> None:
        """Logs what was added since the last report, once a day."""
        if self._clock.since(self._reported_at) >= _DAY:
            self.report_all()

    def report_all(self) -> None:
        """Logs what was added since the last report."""
        self._reported_at = self._clock.now()
        for count in list(self._counts.values()):
            with self._lock:
                encryptions = count.tally.read()
                added = encryptions - count.reported
                if added < _FEWEST_REPORTED:
                    continue
                count.reported = encryptions
            self._log(count, encryptions, added)

    def _log(self, count: KeyCount, encryptions: int, added: int) -> None:
        fields: dict[str, str | int] = {"encryptions": encryptions, "encryptions_added": added}
        log_event("key_usage", self._about | _named(count) | fields)


def _named(count: KeyCount) -> dict[str, str | int]:
    number: dict[str, str | int] = {"key_number": count.number}
    return number if count.version_id is None else number | {"version_id": count.version_id}


def _exhausted(number: int) -> KeyRotationError:
    return KeyRotationError(
        "KEY_EXHAUSTED",
        f"This process has encrypted 2^32 times with {f'key {number}' if number else 'the current key'}, which is the "
        "limit of AES-GCM with random nonces (NIST SP 800-38D, section 8.3). Rotate the key now "
        "(aws secretsmanager rotate-secret, or pazpaz-keys rotate), then call ring.refresh(). Decryption still works.",
    )
