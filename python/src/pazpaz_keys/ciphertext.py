"""``number ‖ nonce (12) ‖ ciphertext ‖ tag (16)``, as docs/format.md specifies."""

import os
from typing import Literal

from cryptography.exceptions import InvalidTag

from .errors import KeyRotationError
from .key_material import KeyMaterial
from .varint import write_varint

NONCE_BYTES = 12
"""The 96 bits for which GCM is made (NIST SP 800-38D, section 8.2)."""

TAG_BYTES = 16
"""128 bits, the longest of NIST SP 800-38D, section 5.2.1.2. ``AESGCM`` has no other."""

MIN_CIPHERTEXT_BYTES = NONCE_BYTES + TAG_BYTES
"""A legacy ciphertext of an empty text is just its nonce and its tag."""


def seal(plaintext: bytes, key: KeyMaterial, number: int, context: bytes, nonce: bytes | None = None) -> bytes:
    """Encrypts with the number's bytes and the context as additional data, under a new random nonce.

    ``nonce`` is for test vectors. Using one twice with one key reveals both plaintexts and allows forgeries. A key may
    encrypt at most 2^32 times in all processes together (NIST SP 800-38D, section 8.3).
    """
    header = write_varint(number)
    if nonce is None:
        nonce = os.urandom(NONCE_BYTES)
    return header + nonce + key.aead.encrypt(nonce, plaintext, header + context)


def open_numbered(data: bytes, key: KeyMaterial, header_bytes: int, context: bytes) -> bytes | None:
    """Decrypts what ``seal`` wrote; the number takes ``header_bytes``. Returns None if the tag does not verify."""
    return _open_box(data, header_bytes, key, data[:header_bytes] + context)


def open_legacy(boxes: list[bytes], key: KeyMaterial) -> bytes | None:
    """The first of ``legacy_boxes`` that opens with this key and no additional data; None if none does."""
    for box in boxes:
        plaintext = _open_box(box, 0, key, None)
        if plaintext is not None:
            return plaintext
    return None


def ciphertext_bytes(data: object) -> bytes:
    """The given ciphertext as bytes. Database drivers may pass ``memoryview``.

    Raises ``INVALID_CIPHERTEXT`` for a value that is not bytes (such as ``None`` for NULL) and for too few bytes,
    before any cryptography.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise not_bytes(data)
    found = data if type(data) is bytes else bytes(data)
    if len(found) < MIN_CIPHERTEXT_BYTES:
        raise KeyRotationError(
            "INVALID_CIPHERTEXT",
            f"The ciphertext is too short: expected at least {MIN_CIPHERTEXT_BYTES} bytes, got {len(found)}. It "
            "was cut off, or was never a ciphertext: check the column that it comes from.",
        )
    return found


def not_bytes(found: object) -> KeyRotationError:
    advice = (
        "A text column holds base64: row_from_text decodes it first."
        if isinstance(found, str)
        else "Leave NULL values out, and check what the database driver returns for the column."
    )
    return KeyRotationError("INVALID_CIPHERTEXT", f"A ciphertext is bytes, got {type(found).__name__}. {advice}")


def plaintext_bytes(text: object) -> bytes:
    """The plaintext as bytes: a text as UTF-8, or the given bytes.

    Raises ``INVALID_TEXT`` for anything else, and for a text that is not well-formed Unicode.
    """
    if type(text) is bytes:
        return text
    if isinstance(text, str):
        return well_formed(text, "text")
    if isinstance(text, (bytearray, memoryview, bytes)):
        return bytes(text)
    raise KeyRotationError("INVALID_TEXT", f"The plaintext must be str or bytes, got {type(text).__name__}.")


def well_formed(value: str, what: Literal["text", "context"]) -> bytes:
    """The value as UTF-8. Raises ``INVALID_TEXT`` for half of a surrogate pair, which UTF-8 cannot encode."""
    if not isinstance(value, str):
        raise KeyRotationError("INVALID_TEXT", f"The {what} must be str, got {type(value).__name__}.")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # that error holds the text: ours is raised outside, so that it has no context
    del value
    raise KeyRotationError(
        "INVALID_TEXT",
        f"The {what} must be well-formed Unicode, but holds half of a surrogate pair (a character cut in two). "
        "Cut between characters, or encode binary data as base64 first.",
    )


def _open_box(data: bytes, start: int, key: KeyMaterial, additional: bytes | None) -> bytes | None:
    """Opens the ``nonce ‖ ciphertext ‖ tag`` that begins at ``start``."""
    end_of_nonce = start + NONCE_BYTES
    if len(data) < end_of_nonce + TAG_BYTES:
        return None
    try:
        return key.aead.decrypt(data[start:end_of_nonce], data[end_of_nonce:], additional)
    except InvalidTag:
        return None
