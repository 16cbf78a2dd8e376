"""Looks for the key of a row, with a bounded number of calls for however many rows."""

import threading
from contextlib import suppress
from typing import NamedTuple

from .ciphertext import open_legacy, open_numbered
from .errors import KeyRotationError
from .failed_decryption import failed_decryption
from .key_material import KeyMaterial
from .keys_at_hand import KeysAtHand
from .legacy_forms import legacy_boxes
from .limited_calls import ring_closed
from .ring_clock import Moment
from .ring_keeper import RingKeeper

_LOOKUP_INTERVAL = 3.0
"""Rows that no key at hand opens, forged ones too, cause at most one description in this time (seconds)."""

_ABSENT_MEMORY = 10.0
"""Seconds that a number which is not on the ring is taken for absent without asking again."""

_MAX_ABSENT_NUMBERS = 1000  # a storm of forged ones must not fill the memory


_HEAD_START = 0.01
"""A description that was asked for so many seconds before a row came counts as later than the row.

Its writer took longer from reading its own key's number to having the row stored and read.
"""


_WAIT_FOR_RECOVERY = 0.5
"""Seconds that a row waits for AWS where it did not answer the last time: one row in an interval.

Long enough to find out that AWS is back, and short enough to go on in an outage.
"""


class _Lookup(NamedTuple):
    asked_at: Moment
    ended: threading.Event


class Row:
    """A ciphertext as it was given, checked at the door, and the ways to open it."""

    __slots__ = ("_boxes", "_context", "_header_bytes", "data", "legacy", "number")

    def __init__(self, data: bytes, header: tuple[int, int] | None, context: bytes, legacy: bool) -> None:
        """``header``: what ``read_varint`` says of the data."""
        self.data = data
        self.legacy = legacy
        self.number = None if header is None else header[0]
        self._header_bytes = 0 if header is None else header[1]
        self._context = context
        self._boxes: list[bytes] | None = None

    def under_number(self, key: KeyMaterial) -> bytes | None:
        """Opens it with a key under the row's own number, whatever key that number should name."""
        return None if self.number is None else open_numbered(self.data, key, self._header_bytes, self._context)

    def as_if_unnumbered(self, key: KeyMaterial) -> bytes | None:
        """Opens it where its number says nothing of the key: number 0, and data written before this system."""
        plaintext = self.under_number(key) if self.number == 0 else None
        if plaintext is None and self.legacy:
            if self._boxes is None:
                self._boxes = legacy_boxes(self.data)
            plaintext = open_legacy(self._boxes, key)
        return plaintext

    def at_hand(self, keys: KeysAtHand) -> bytes | None:
        """The first attempts: the number's own key, then every key where the number says nothing."""
        if self.number:
            key = keys.of_number.get(self.number)
            plaintext = None if key is None else self.under_number(key)
            if plaintext is not None:
                return plaintext
        if self.number == 0 or self.legacy:
            for key in keys.in_order:
                plaintext = self.as_if_unnumbered(key)
                if plaintext is not None:
                    keys.put_first(key)
                    return plaintext
        return None

    def under_number_of_any(self, keys: KeysAtHand) -> bytes | None:
        """The last attempts: every key under the row's own number."""
        for key in keys.in_order:
            plaintext = self.under_number(key)
            if plaintext is not None:
                return plaintext
        return None


class RowSearch:
    def __init__(self, keeper: RingKeeper) -> None:
        self._keeper = keeper
        self._clock = keeper.clock
        self._lock = threading.Lock()
        self._lookup: _Lookup | None = None
        self._absent: dict[int, Moment] = {}

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._lookup = None

    def open(self, row: Row) -> bytes:
        """Opens a row that ``Row.at_hand`` did not.

        With its number's own key, then with every key of the ring that is not at hand, by the last description and by a
        new one. Takes twice the time limit of a call at most, and an interval of waiting for a turn.

        Raises what ``failed_decryption`` says; ``RING_CLOSED`` where the ring is closed meanwhile.
        """
        keeper, asked_at = self._keeper, self._clock.now()
        deadline = asked_at.monotonic + keeper.call_time_limit
        plaintext = self._with_own_key(row)
        if plaintext is None and self._needs_lookup(row):
            deadline += self._look_up(row, asked_at)
            plaintext = self._with_own_key(row)
        if plaintext is None:
            plaintext = self._with_every_key(row, deadline)
        if plaintext is None:
            plaintext = row.under_number_of_any(keeper.keys)
        if plaintext is not None:
            return plaintext
        if keeper.closed.is_set():
            raise ring_closed()
        self._remember_absence(row.number)
        raise failed_decryption(row.number, keeper.labels, self._unread(row), keeper.stale_because)

    def _with_own_key(self, row: Row) -> bytes | None:
        version_id = self._own_version(row)
        key = None if version_id is None else self._read(version_id)
        return None if key is None else row.under_number(key)

    def _with_every_key(self, row: Row, deadline: float) -> bytes | None:
        """Each key of the ring that is not at hand is read and tried; those at hand may have come meanwhile."""
        for version_id in reversed(self._versions_that_may_open(row)):
            if self._keeper.keys.of_version(version_id) is not None:
                continue
            if self._clock.monotonic() > deadline:
                break
            key = self._read(version_id)
            plaintext = None if key is None else row.as_if_unnumbered(key)
            if plaintext is not None:
                return plaintext
            failure = self._keeper.failure_of(version_id)
            if failure is not None and failure.code == "CANNOT_REACH_AWS":
                break  # it is so for every version, and each would cost the time limit of a call
        return row.at_hand(self._keeper.keys)

    def _read(self, version_id: str) -> KeyMaterial | None:
        with suppress(KeyRotationError):  # the keeper remembers why
            return self._keeper.key(version_id)
        return None

    def _unread(self, row: Row) -> dict[str, KeyRotationError]:
        """Why keys were not tried: each that may open the row, and is not at hand."""
        keeper = self._keeper
        not_at_hand = [
            version_id for version_id in self._versions_that_may_open(row) if keeper.keys.of_version(version_id) is None
        ]
        return {
            version_id: keeper.failure_of(version_id) or keeper.stale_because or _not_in_time(version_id)
            for version_id in not_at_hand
        }

    def _own_version(self, row: Row) -> str | None:
        labels = self._keeper.labels
        return None if labels is None or not row.number else labels.version_of.get(row.number)

    def _versions_that_may_open(self, row: Row) -> list[str]:
        labels, own_version = self._keeper.labels, self._own_version(row)
        if labels is None:
            return []
        # Where older data is refused and the number is on the ring, no other key than its own can open the row.
        return labels.versions_in_use() if row.legacy or own_version is None else [own_version]

    def _needs_lookup(self, row: Row) -> bool:
        if self._own_version(row) is not None and not row.legacy:
            return False  # its own key did not open it, and no other can
        if self._is_unknown(row.number):
            return True
        described_at = self._keeper.described_at
        return described_at is None or self._clock.since(described_at) >= _LOOKUP_INTERVAL

    def _is_unknown(self, number: int | None) -> bool:
        """Whether the row names a number that is not on the ring, and that was not looked for just now.

        The number that the next rotation gives is always unknown: a forged row that names it must not make the first
        rows of the new key 'never issued'.
        """
        labels = self._keeper.labels
        if not number or (labels is not None and number in labels.version_of):
            return False
        absent_since = self._absent.get(number)
        is_next = labels is not None and number == labels.highest_number + 1
        return is_next or absent_since is None or self._clock.since(absent_since) >= _ABSENT_MEMORY

    def _look_up(self, row: Row, asked_at: Moment) -> float:
        """Has AWS asked again, at most once in an interval. Gives the seconds that it waited for a turn.

        A caller whose number nobody has looked for yet waits for a turn: 'never issued' must not be said by a
        description from before the row came. Others go on with what is known; so do all but one while AWS does not
        answer, when waiting would only make everybody slow.
        """
        waited = 0.0
        while True:
            with self._lock:
                lookup = self._lookup
                is_answer = lookup is not None and lookup.asked_at.monotonic >= asked_at.monotonic - _HEAD_START
                pause = 0.0 if lookup is None else _LOOKUP_INTERVAL - self._clock.since(lookup.asked_at)
                leads = lookup is None or (not is_answer and pause <= 0)
                if lookup is None or leads:
                    lookup = self._lookup = _Lookup(self._clock.now(), threading.Event())
            if leads:
                self._lead(lookup)
                return waited
            if self._keeper.stale_because is None:
                lookup.ended.wait()
            if is_answer or self._keeper.stale_because is not None or not self._is_unknown(row.number):
                return waited
            waited += max(0.0, pause)
            if self._keeper.closed.wait(max(0.0, pause)):
                return waited

    def _lead(self, lookup: _Lookup) -> None:
        try:
            if self._keeper.stale_because is None:
                self._keeper.refresh()
            else:
                self._keeper.refresh_in_background(_WAIT_FOR_RECOVERY)
        except KeyRotationError:  # the keeper remembers why
            with self._lock:
                # One that hung has used up its interval, and the next would begin at once.
                self._lookup = lookup._replace(asked_at=self._clock.now())
        finally:
            lookup.ended.set()

    def _remember_absence(self, number: int | None) -> None:
        if number and self._keeper.stale_because is None and self._is_unknown(number):
            if len(self._absent) >= _MAX_ABSENT_NUMBERS:
                self._absent = {}
            self._absent[number] = self._clock.now()


def _not_in_time(version_id: str) -> KeyRotationError:
    return KeyRotationError("CANNOT_REACH_AWS", f"AWS was too slow to have version {version_id} read in time.")
