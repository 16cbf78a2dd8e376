"""Rows in the cells of a text column."""

from .ciphertext import not_bytes
from .strict_base64 import decode_strict_base64


def row_from_text(text: str) -> bytes:
    """The row in a cell of a text column, as bytes for ``decrypt_field``.

    Strict base64 is decoded, in one line or in several (PostgreSQL's ``encode`` breaks lines). Any other text is itself
    the row. A column may hold both, because no text of older data is base64: ``vN:…`` has a colon, and a JSON object a
    brace.

    Raises ``INVALID_CIPHERTEXT`` for a value that is not a text.
    """
    if not isinstance(text, str):
        raise not_bytes(text)
    decoded = decode_strict_base64(_joined(text) if "\n" in text else text)
    return _utf8(text) if decoded is None else decoded


def _joined(text: str) -> str:
    """Lines in one, as PostgreSQL's encode and MIME break base64: each with LF or each with CR LF. Else the text."""
    line_break = "\r\n" if "\r\n" in text else "\n"
    lines = text.removesuffix(line_break)
    first, found, _ = lines.partition(line_break)
    has_empty_line = not first or line_break * 2 in lines or lines.endswith(line_break)
    # Padding ends base64, so it is never in the first of several lines.
    return text if not found or has_empty_line or "=" in first else lines.replace(line_break, "")


def _utf8(text: str) -> bytes:
    """As JavaScript makes it: a half of a surrogate pair becomes U+FFFD, two halves side by side one character."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")
