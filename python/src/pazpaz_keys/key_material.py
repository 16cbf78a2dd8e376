"""A key that never prints."""

import hmac
from typing import NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import InvalidKeyValueError

KEY_BYTES = 32
"""Length of an AES-256 key in bytes."""


class KeyMaterial:
    """An AES-256-GCM key of 32 bytes, made once and used often. ``repr``, ``str`` and pickling reveal nothing of it."""

    __slots__ = ("_key", "aead")

    aead: AESGCM

    def __init__(self, key: bytes, source: str = "Encryption key") -> None:
        """Raises ``INVALID_KEY_VALUE`` unless there are exactly 32 bytes. ``source`` says where they come from."""
        copied = bytes(key) if isinstance(key, (bytes, bytearray, memoryview)) else None
        if copied is None or len(copied) != KEY_BYTES:
            found = f"{type(key).__name__}; decode base64 first" if copied is None else f"{len(copied)} bytes"
            del key, copied  # some error reporters show local variables
            raise InvalidKeyValueError("INVALID_KEY_VALUE", f"{source} must be {KEY_BYTES} bytes, got {found}")
        self._key = copied
        self.aead = AESGCM(self._key)

    def export_bytes(self) -> bytes:
        """The 32 bytes, for callers that need them."""
        return self._key

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same bytes, in constant time."""
        return isinstance(other, KeyMaterial) and hmac.compare_digest(self._key, other._key)

    __hash__ = None  # type: ignore[assignment]  # a hash of the key would say something of it

    def __repr__(self) -> str:
        return "KeyMaterial([redacted])"

    def __copy__(self) -> "KeyMaterial":
        return self

    def __deepcopy__(self, _memo: object) -> "KeyMaterial":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key cannot be pickled, which would write it in the clear. Open a ring where it is needed.")
