"""Rows in the cells of a text column."""

from .ciphertext import not_bytes
from .strict_base64 import decode_strict_base64


def row_from_text(text: str) -> bytes:
    """The row in a cell of a text column, as bytes for ``decrypt_field``.

    What strict base64 spells, or the bytes of the text itself, if it is none. A column may hold both, since no text of
    older data is base64: ``vN:…`` has a colon, and a JSON object a brace.

    Raises ``INVALID_CIPHERTEXT`` for what is no text.
    """
    if not isinstance(text, str):
        raise not_bytes(text)
    decoded = decode_strict_base64(text)
    return text.encode("utf-8", "replace") if decoded is None else decoded
