"""Rows in the cells of a text column."""

from .ciphertext import not_bytes
from .strict_base64 import decode_strict_base64


def row_from_text(text: str) -> bytes:
    """The row in a cell of a text column, as bytes for ``decrypt_field``.

    Strict base64 is decoded. Any other text is itself the row. A column may hold both, because no text of older data is
    base64: ``vN:…`` has a colon, and a JSON object a brace.

    Raises ``INVALID_CIPHERTEXT`` for a value that is not a text.
    """
    if not isinstance(text, str):
        raise not_bytes(text)
    decoded = decode_strict_base64(text)
    return text.encode("utf-8", "replace") if decoded is None else decoded
