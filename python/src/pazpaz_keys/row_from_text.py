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
    return _utf8(text) if decoded is None else decoded


def _utf8(text: str) -> bytes:
    """As JavaScript makes it: a half of a surrogate pair becomes U+FFFD, two halves side by side one character."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")
