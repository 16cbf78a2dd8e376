"""Strict base64: one spelling for each value."""

import binascii


def decode_strict_base64(text: str) -> bytes | None:
    """Decodes base64 exactly as RFC 4648 section 4 spells it, or returns None.

    The standard alphabet, padding, trailing bits of zero, no white space. Python's decoder is lenient even when it
    validates. Encoding is canonical, so a text that encodes back unchanged is the one spelling of its bytes.
    """
    try:
        ascii_text = text.encode("ascii")
        decoded = binascii.a2b_base64(ascii_text)
    except ValueError:  # covers UnicodeEncodeError and binascii.Error
        return None
    return decoded if binascii.b2a_base64(decoded, newline=False) == ascii_text else None
