"""The keys in memory."""

import threading

from .key_material import KeyMaterial
from .ring_labels import RingLabels


class KeyCache:
    """A version's value never changes, so a key stays until it is retired.

    Readers need no lock, because collections are replaced and never changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cleared = False
        self._of_version: dict[str, KeyMaterial] = {}
        self._of_environment: tuple[KeyMaterial, ...] = ()
        self._number_of: dict[str, int] = {}
        self._retired: frozenset[str] = frozenset()
        self.of_number: dict[int, KeyMaterial] = {}
        """The key that each number names.

        A number that was removed keeps its key here, and one that was moved keeps its old key until the new one is
        read, because existing rows name the old one.
        """
        self.in_order: tuple[KeyMaterial, ...] = ()
        """Every key once. The key that last opened a row that did not name it comes first, because it is likely to open
        the next.
        """

    @property
    def version_ids(self) -> list[str]:
        """The VersionIds of all keys read from AWS."""
        return list(self._of_version)

    def of_version(self, version_id: str) -> KeyMaterial | None:
        return self._of_version.get(version_id)

    def number_of_version(self, version_id: str) -> int:
        """The number of a version when it was last seen; 0 without one."""
        return self._number_of.get(version_id, 0)

    def add(self, key: KeyMaterial, version_id: str) -> None:
        with self._lock:
            # A read may end after a description has shown that the version was retired.
            if self._is_cleared or version_id in self._retired:
                return
            self._of_version = {**self._of_version, version_id: key}
            if key not in self.in_order:
                self.in_order = (*self.in_order, key)

    def add_environment_keys(self, keys: dict[int, KeyMaterial], are_numbered: bool) -> None:
        """Adds the environment's keys. ``are_numbered``: whether a row's number names one; beside AWS it does not."""
        with self._lock:
            self._of_environment = tuple(keys.values())
            self.in_order = (*self.in_order, *self._of_environment)
            if are_numbered:
                self.of_number = {number: key for number, key in keys.items() if number > 0}

    def set_numbers(self, labels: RingLabels) -> None:
        """Stores which version each number names, from a description of the whole ring.

        A version that lost its label loses its number, but rows that name the old number still find its key. The keys
        of retired versions are forgotten, also under a version that had the number before a move.
        """
        with self._lock:
            self._number_of = labels.number_of
            self._retired = frozenset(labels.retired)
            for version_id, number in labels.retired.items():
                key = self._of_version.get(version_id) or self.of_number.get(number)
                self._forget(version_id)
                if key is not None and number not in labels.version_of:
                    self._forget_former(key, labels)
            self._name_keys(labels)

    def _forget_former(self, key: KeyMaterial, labels: RingLabels) -> None:
        for version_id in labels.copies:
            if not labels.is_on_ring(version_id) and self._of_version.get(version_id) == key:
                self._forget(version_id)

    def set_numbers_of(self, version_id: str, labels: RingLabels) -> None:
        """Stores the numbers of one version. The other versions keep theirs."""
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

    def _forget(self, version_id: str) -> None:
        key = self._of_version.get(version_id)
        if key is None:
            return
        self._of_version = {other: kept for other, kept in self._of_version.items() if other != version_id}
        self.of_number = {number: named for number, named in self.of_number.items() if named is not key}
        # Another version, or the environment, may hold the same 32 bytes.
        kept_keys = [*self._of_environment, *self._of_version.values()]
        self.in_order = tuple(other for other in self.in_order if other in kept_keys)

    def put_first(self, key: KeyMaterial) -> None:
        in_order = self.in_order
        if in_order and in_order[0] is key:
            return
        with self._lock:
            # By identity: comparing keys takes longer than all else here. It may have been forgotten meanwhile.
            if any(other is key for other in self.in_order):
                self.in_order = (key, *(other for other in self.in_order if other is not key))

    def clear(self) -> None:
        """Forgets every key, and keeps none that comes later."""
        with self._lock:
            self._is_cleared = True
            self._of_version, self.of_number, self.in_order, self._of_environment = {}, {}, (), ()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
