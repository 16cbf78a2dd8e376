"""A row, and the ways to open it with a key."""

from .ciphertext import open_legacy, open_numbered
from .key_cache import KeyCache
from .key_material import KeyMaterial
from .legacy_forms import legacy_boxes


class Row:
    """A ciphertext with its context, both checked, and the keys it was tried with."""

    __slots__ = ("_boxes", "_context", "_header_bytes", "data", "legacy", "number", "own_key", "tried")

    def __init__(self, data: bytes, header: tuple[int, int] | None, context: bytes, legacy: bool) -> None:
        """``header``: the result of ``read_varint``."""
        self.data = data
        self.legacy = legacy
        self.number = None if header is None else header[0]
        self.own_key: KeyMaterial | None = None
        """The key that its number named when ``with_cached_keys`` tried it."""
        self.tried: tuple[KeyMaterial, ...] = ()
        """The keys that ``with_cached_keys`` tried. Another thread may add one at any moment."""
        self._header_bytes = 0 if header is None else header[1]
        self._context = context
        self._boxes: list[bytes] | None = None

    def under_number(self, key: KeyMaterial) -> bytes | None:
        """Opens it with a key under the row's number, even if the key has another number."""
        return None if self.number is None else open_numbered(self.data, key, self._header_bytes, self._context)

    def in_any_way(self, key: KeyMaterial) -> bytes | None:
        """Opens it with a key under the row's number, or as data written before this system."""
        plaintext = self.under_number(key)
        return self._as_legacy(key) if plaintext is None else plaintext

    def with_cached_keys(self, keys: KeyCache) -> bytes | None:
        """The first attempts: the number's own key, then every key if the number names none."""
        self.tried = keys.in_order
        if self.number:
            self.own_key = keys.of_number.get(self.number)
            plaintext = None if self.own_key is None else self.under_number(self.own_key)
            if plaintext is not None:
                return plaintext
        if self.number == 0 or self.legacy:
            for key in self.tried:
                plaintext = self.in_any_way(key) if self.number == 0 else self._as_legacy(key)
                if plaintext is not None:
                    keys.put_first(key)
                    return plaintext
        return None

    def under_number_of_any(self, keys: KeyCache) -> bytes | None:
        """The last attempts: every key under the row's number."""
        for key in keys.in_order:
            plaintext = self.under_number(key)
            if plaintext is not None:
                return plaintext
        return None

    def _as_legacy(self, key: KeyMaterial) -> bytes | None:
        if not self.legacy:
            return None
        if self._boxes is None:
            self._boxes = legacy_boxes(self.data)
        return open_legacy(self._boxes, key)
