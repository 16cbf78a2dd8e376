"""Rows in the cells of a text column."""

import re

from .ciphertext import not_bytes
from .strict_base64 import decode_strict_base64

# Lines of base64, as PostgreSQL's encode and MIME break them, each with LF or each with CR LF.
_LINES = re.compile(r"[A-Za-z0-9+/]+(?:(?:\n[A-Za-z0-9+/=]+)+\n?|(?:\r\n[A-Za-z0-9+/=]+)+(?:\r\n)?)")


def row_from_text(text: str) -> bytes:
    """The row in a cell of a text column, as bytes for ``decrypt_field``.

    Strict base64 is decoded, in one line or in several (PostgreSQL's ``encode`` breaks lines). Any other text is itself
    the row. A column may hold both, because no text of older data is base64: ``vN:…`` has a colon, and a JSON object a
    brace.

    Raises ``INVALID_CIPHERTEXT`` for a value that is not a text.
    """
    if not isinstance(text, str):
        raise not_bytes(text)
    base64 = re.sub("\r?\n", "", text) if "\n" in text and _LINES.fullmatch(text) else text
    decoded = decode_strict_base64(base64)
    return _utf8(text) if decoded is None else decoded


def _utf8(text: str) -> bytes:
    """As JavaScript makes it: a half of a surrogate pair becomes U+FFFD, two halves side by side one character."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")
