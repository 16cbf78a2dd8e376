"""Base64 that has one spelling."""

import binascii


def decode_strict_base64(text: str) -> bytes | None:
    """Decodes base64 as RFC 4648 section 4 spells it and in no other way, or gives None.

    The standard alphabet, padding, trailing bits of zero, no white space. Python's own decoder is lenient even when it
    validates; encoding is canonical, so a text that comes back unchanged is the one spelling of its bytes.
    """
    try:
        ascii_text = text.encode("ascii")
        decoded = binascii.a2b_base64(ascii_text)
    except ValueError:  # UnicodeEncodeError and binascii.Error are both of this kind
        return None
    return decoded if binascii.b2a_base64(decoded, newline=False) == ascii_text else None
