"""Looks for the key of a row, with a bounded number of calls for however many rows."""

import threading
import time
from typing import NamedTuple

from .ciphertext import open_legacy, open_numbered
from .errors import KeyRotationError
from .failed_decryption import failed_decryption
from .key_material import KeyMaterial
from .keys_at_hand import KeysAtHand
from .legacy_forms import legacy_boxes
from .ring_clock import Moment
from .ring_keeper import RingKeeper
from .varint import read_varint

_LOOKUP_INTERVAL = 3.0
"""Rows that no key at hand opens, forged ones too, cause at most one description in this time (seconds)."""

_ABSENT_MEMORY = 10.0
"""Seconds that a number which is not on the ring is taken for absent without asking again."""

_MAX_ABSENT_NUMBERS = 1000  # a storm of forged ones must not fill the memory


_HEAD_START = 0.01
"""A description that was asked for so many seconds before a row came counts as later than the row.

Its writer took longer from reading its own key's number to having the row stored and read.
"""


class _Lookup(NamedTuple):
    asked_at: Moment
    ended: threading.Event


class Row:
    """A ciphertext as it was given, checked at the door, and the ways to open it."""

    __slots__ = ("_boxes", "_context", "_header_bytes", "data", "legacy", "number")

    def __init__(self, data: bytes, context: bytes, legacy: bool) -> None:
        header = read_varint(data)
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
        new one. Raises what ``failed_decryption`` says.
        """
        asked_at = self._clock.now()
        unread: dict[str, KeyRotationError] = {}
        plaintext = self._with_own_key(row, unread)
        if plaintext is None and self._needs_lookup(row):
            self._look_up(row, asked_at)
            plaintext = self._with_own_key(row, unread)
        if plaintext is None:
            plaintext = self._with_every_key(row, unread)
        if plaintext is None:
            for key in self._keeper.keys.in_order:
                plaintext = row.under_number(key)
                if plaintext is not None:
                    break
        if plaintext is not None:
            return plaintext
        self._remember_absence(row.number)
        raise failed_decryption(row.number, self._keeper.labels, unread, self._keeper.stale_because)

    def _with_own_key(self, row: Row, unread: dict[str, KeyRotationError]) -> bytes | None:
        labels = self._keeper.labels
        version_id = None if labels is None or not row.number else labels.version_of.get(row.number)
        if version_id is None:
            return None
        key = self._read(version_id, unread)
        return None if key is None else row.under_number(key)

    def _with_every_key(self, row: Row, unread: dict[str, KeyRotationError]) -> bytes | None:
        """Each key of the ring that is not at hand is read and tried; those at hand may have come meanwhile."""
        labels = self._keeper.labels
        if labels is not None and (row.legacy or row.number == 0):
            for version_id in reversed(labels.versions_in_use()):
                # Where AWS is out of reach it is so for every version: each would cost the time limit of a call.
                if any(error.code == "CANNOT_REACH_AWS" for error in unread.values()):
                    break
                key = self._read(version_id, unread)
                plaintext = None if key is None else row.as_if_unnumbered(key)
                if plaintext is not None:
                    return plaintext
        return row.at_hand(self._keeper.keys)

    def _read(self, version_id: str, unread: dict[str, KeyRotationError]) -> KeyMaterial | None:
        try:
            key = self._keeper.key(version_id)
        except KeyRotationError as error:
            unread[version_id] = error
            return None
        unread.pop(version_id, None)
        return key

    def _needs_lookup(self, row: Row) -> bool:
        is_known = bool(row.number) and not self._is_off_ring(row.number)
        if is_known and not row.legacy:
            return False  # its own key did not open it, and no other can
        if self._is_unknown(row.number):
            return True
        described_at = self._keeper.described_at
        return described_at is None or self._clock.since(described_at) >= _LOOKUP_INTERVAL

    def _is_off_ring(self, number: int | None) -> bool:
        labels = self._keeper.labels
        return labels is None or number not in labels.version_of

    def _is_unknown(self, number: int | None) -> bool:
        """Whether the row names a number that is not on the ring, and that was not looked for just now."""
        if not number or not self._is_off_ring(number):
            return False
        absent_since = self._absent.get(number)
        return absent_since is None or self._clock.since(absent_since) >= _ABSENT_MEMORY

    def _look_up(self, row: Row, asked_at: Moment) -> None:
        """Has AWS asked again, at most once in an interval.

        A caller whose number nobody has looked for yet waits for a turn: 'never issued' must not be said by a
        description from before the row came. Others go on with what is known.
        """
        while True:
            with self._lock:
                lookup = self._lookup
                is_answer = lookup is not None and lookup.asked_at.monotonic >= asked_at.monotonic - _HEAD_START
                pause = 0.0 if lookup is None else _LOOKUP_INTERVAL - self._clock.since(lookup.asked_at)
                leads = lookup is None or (not is_answer and pause <= 0)
                if lookup is None or leads:
                    lookup = self._lookup = _Lookup(self._clock.now(), threading.Event())
            if leads:
                try:
                    self._keeper.refresh()
                except KeyRotationError:
                    return  # the keeper remembers why
                finally:
                    lookup.ended.set()
                return
            lookup.ended.wait()
            if is_answer or not self._is_unknown(row.number):
                return
            time.sleep(max(0.0, pause))

    def _remember_absence(self, number: int | None) -> None:
        if number and self._is_off_ring(number) and self._keeper.stale_because is None:
            if len(self._absent) >= _MAX_ABSENT_NUMBERS:
                self._absent = {}
            self._absent[number] = self._clock.now()
