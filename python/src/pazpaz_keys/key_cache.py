"""The keys that a process has in memory."""

import threading

from .key_material import KeyMaterial
from .ring_labels import RingLabels


class KeyCache:
    """A version's value never changes, so what is here stays, and a key that was retired meanwhile still reads.

    Readers take what they need without a lock: nothing that they hold is changed, it is replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cleared = False
        self._of_version: dict[str, KeyMaterial] = {}
        self._number_of: dict[str, int] = {}
        self.of_number: dict[int, KeyMaterial] = {}
        """The key that each number names.

        One that is gone keeps its key here, and one that was moved its old key until the new one is read: what the old
        one wrote still names it.
        """
        self.in_order: tuple[KeyMaterial, ...] = ()
        """Every key once, first the one that last opened a row that did not name it: the next is likely its too."""

    def of_version(self, version_id: str) -> KeyMaterial | None:
        return self._of_version.get(version_id)

    def number_of_version(self, version_id: str) -> int:
        """The number of a version, as it was last seen; 0 where none was."""
        return self._number_of.get(version_id, 0)

    def add(self, key: KeyMaterial, version_id: str | None = None) -> None:
        with self._lock:
            if self._is_cleared:
                return
            if version_id is not None:
                self._of_version = {**self._of_version, version_id: key}
            if key not in self.in_order:
                self.in_order = (*self.in_order, key)

    def set_numbers(self, labels: RingLabels) -> None:
        """Takes over which version each number names, from a description of the whole ring.

        A version whose label was taken away has no number any more; the number that is gone keeps its key.
        """
        with self._lock:
            self._number_of = labels.number_of
            self._name_keys(labels)

    def set_numbers_of(self, version_id: str, labels: RingLabels) -> None:
        """The same from the labels of one version, which say nothing of the others."""
        with self._lock:
            others = {other: number for other, number in self._number_of.items() if other != version_id}
            self._number_of = {**others, **labels.number_of}
            self._name_keys(labels)

    def _name_keys(self, labels: RingLabels) -> None:
        of_number = dict(self.of_number)
        for number, version_id in labels.version_of.items():
            key = self._of_version.get(version_id)
            if key is not None:
                of_number[number] = key
        self.of_number = of_number

    def put_first(self, key: KeyMaterial) -> None:
        in_order = self.in_order
        if in_order and in_order[0] is key:
            return
        with self._lock:
            if not self._is_cleared:
                self.in_order = (key, *(other for other in self.in_order if other is not key))

    def clear(self) -> None:
        """Lets go of every key, and of each that comes later."""
        with self._lock:
            self._is_cleared = True
            self._of_version, self.of_number, self.in_order = {}, {}, ()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
