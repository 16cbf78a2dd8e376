"""``number ‖ nonce (12) ‖ ciphertext ‖ tag (16)``: docs/format.md says it in full."""

import os
from typing import Literal

from cryptography.exceptions import InvalidTag

from .errors import KeyRotationError
from .key_material import KeyMaterial
from .varint import write_varint

NONCE_BYTES = 12
"""The 96 bits for which GCM is made (NIST SP 800-38D, section 8.2)."""

TAG_BYTES = 16
"""128 bits, the longest of NIST SP 800-38D, section 5.2.1.2; ``AESGCM`` knows no other."""

MIN_CIPHERTEXT_BYTES = NONCE_BYTES + TAG_BYTES
"""A legacy ciphertext of an empty text is its nonce and its tag, and nothing else."""


def seal(plaintext: bytes, key: KeyMaterial, number: int, context: bytes, nonce: bytes | None = None) -> bytes:
    """Encrypts with the number's bytes and the context as additional data, under a fresh random nonce.

    ``nonce`` is for test vectors: used twice with one key, it gives away both plaintexts and the means to forge. One
    key may encrypt at most 2^32 times in all processes together (NIST SP 800-38D, section 8.3).
    """
    header = write_varint(number)
    if nonce is None:
        nonce = os.urandom(NONCE_BYTES)
    return header + nonce + key.aead.encrypt(nonce, plaintext, header + context)


def open_numbered(data: bytes, key: KeyMaterial, header_bytes: int, context: bytes) -> bytes | None:
    """Decrypts what ``seal`` wrote, whose number takes ``header_bytes``; None where the tag does not verify."""
    return _open_box(data[header_bytes:], key, data[:header_bytes] + context)


def open_legacy(boxes: list[bytes], key: KeyMaterial) -> bytes | None:
    """The first of ``legacy_boxes`` that opens with this key and no additional data; None where none does."""
    for box in boxes:
        plaintext = _open_box(box, key, None)
        if plaintext is not None:
            return plaintext
    return None


def require_ciphertext_length(data: bytes) -> None:
    """Raises ``INVALID_CIPHERTEXT`` for bytes that are too few to be a ciphertext, before any cryptography."""
    if len(data) < MIN_CIPHERTEXT_BYTES:
        raise KeyRotationError(
            "INVALID_CIPHERTEXT",
            f"The ciphertext is too short: expected at least {MIN_CIPHERTEXT_BYTES} bytes, got {len(data)}. "
            "It was cut off, or it never was a ciphertext: look at the column that it comes from.",
        )


def well_formed(value: str, what: Literal["text", "context"]) -> bytes:
    """The value as UTF-8. Raises ``INVALID_TEXT`` where it holds half of a surrogate pair, which has no bytes there."""
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # that error holds the text: ours is raised outside, where it has no context
    del value
    raise KeyRotationError(
        "INVALID_TEXT",
        f"The {what} must be well-formed Unicode, but holds half of a surrogate pair (a character cut in two). "
        "Cut between characters, or encode binary data as base64 first.",
    )


def _open_box(box: bytes, key: KeyMaterial, additional: bytes | None) -> bytes | None:
    if len(box) < MIN_CIPHERTEXT_BYTES:
        return None
    try:
        return key.aead.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], additional)
    except InvalidTag:
        return None
