"""The keys that a process has in memory."""

import threading

from .key_material import KeyMaterial
from .ring_labels import RingLabels


class KeysAtHand:
    """A version's value never changes, so what is here stays, and a key that was retired meanwhile still reads.

    Readers take what they need without a lock: nothing that they hold is changed, it is replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_version: dict[str, KeyMaterial] = {}
        self._number_of: dict[str, int] = {}
        self.of_number: dict[int, KeyMaterial] = {}
        """The key that each number names. A number that is gone keeps its key here."""
        self.in_order: tuple[KeyMaterial, ...] = ()
        """Every key once, first the one that last opened a row that did not name it: the next is likely its too."""

    def of_version(self, version_id: str) -> KeyMaterial | None:
        return self._of_version.get(version_id)

    def number_of_version(self, version_id: str) -> int:
        """The number of a version, as it was last seen; 0 where none was."""
        return self._number_of.get(version_id, 0)

    def add(self, key: KeyMaterial, version_id: str | None = None) -> None:
        with self._lock:
            if version_id is not None:
                self._of_version = {**self._of_version, version_id: key}
            if key not in self.in_order:
                self.in_order = (*self.in_order, key)

    def set_numbers(self, labels: RingLabels) -> None:
        with self._lock:
            self._number_of = {**self._number_of, **labels.number_of}
            of_number = dict(self.of_number)
            for number, version_id in labels.version_of.items():
                key = self._of_version.get(version_id)
                if key is None:
                    of_number.pop(number, None)
                else:
                    of_number[number] = key
            self.of_number = of_number

    def put_first(self, key: KeyMaterial) -> None:
        if self.in_order[0] is key:
            return
        with self._lock:
            self.in_order = (key, *(other for other in self.in_order if other is not key))

    def after_fork(self) -> None:
        self._lock = threading.Lock()
