"""The value of a secret: the formats of its key."""

import re

from .errors import InvalidKeyValueError, without_frames
from .json_object import json_object_members
from .key_material import KeyMaterial
from .strict_base64 import decode_strict_base64

AWS_SOURCE = "Encryption key from AWS Secrets Manager"

_KEY_MEMBER = "encryption_key"

# White space as JSON has it. str.split() and str.strip() would accept more.
_WORDS = re.compile(r"[^ \t\r\n]+")
_OPENS_AN_OBJECT = re.compile(r"[ \t\r\n]*\{")
_HEX_KEY = re.compile(r"[0-9A-Fa-f]{64}")


def read_key_value(text: str | None, binary: bytes | None = None, source: str = AWS_SOURCE) -> KeyMaterial:
    """Reads ``SecretString`` or ``SecretBinary``.

    Accepts base64 of 32 bytes (strict, white space around it allowed), 64 hexadecimal digits, a JSON object whose
    ``encryption_key`` holds one of these, or 32 bytes of ``SecretBinary``. Sixty-four hexadecimal digits would also be
    base64 of 48 bytes; they count as hexadecimal.

    Raises ``INVALID_KEY_VALUE`` for anything else. The error says what was found, never the value.
    """
    try:
        if text is not None:
            return _read_json(text, source) if _OPENS_AN_OBJECT.match(text) else _read_text(text, source)
        if binary is not None:
            return KeyMaterial(binary, source)
        raise _invalid("a version with neither SecretString nor SecretBinary", source)
    except InvalidKeyValueError as error:
        del text, binary
        raise without_frames(error) from None


def _read_json(text: str, source: str) -> KeyMaterial:
    members = json_object_members(text)
    if members is None:
        raise _invalid("text that begins like a JSON object but is not valid JSON", source)
    found = [member.text for member in members if member.name == _KEY_MEMBER]
    if not found:
        raise _invalid(f'a JSON object without "{_KEY_MEMBER}"', source)
    if len(found) > 1:  # parsers differ in which of two they take
        raise _invalid(f'a JSON object with more than one "{_KEY_MEMBER}"', source)
    if found[0] is None:
        raise _invalid(f'a JSON object whose "{_KEY_MEMBER}" is not a string', source)
    return _read_text(found[0], source)


def _read_text(text: str, source: str) -> KeyMaterial:
    words = _WORDS.findall(text)
    if not words:
        raise _invalid("an empty text", source)
    if len(words) > 1:
        raise _invalid("text with white space inside the key", source)
    word = words[0]
    key = bytes.fromhex(word) if _HEX_KEY.fullmatch(word) else decode_strict_base64(word)
    if key is None:
        raise _invalid(f"{len(word)} characters that are not base64{_reason(word)}", source)
    return KeyMaterial(key, source)


def _reason(text: str) -> str:
    """Names the usual mistakes without revealing a character of the key."""
    if text[:1] in "\"'`" or text[-1:] in "\"'`":
        return " (they are in quotation marks, which docker --env-file keeps)"
    if re.fullmatch(r"[A-Za-z0-9_=-]+", text) and re.search(r"[_-]", text):
        return " (they use the URL alphabet, - and _)"
    if len(text) % 4 != 0:
        return " (their number is not a multiple of 4: was the padding = lost?)"
    return ""


def _invalid(found: str, source: str) -> InvalidKeyValueError:
    return InvalidKeyValueError(
        "INVALID_KEY_VALUE",
        f"{source} must be base64 of 32 bytes, 64 hexadecimal digits, a JSON object with one of these as "
        f'"{_KEY_MEMBER}", or 32 bytes of SecretBinary; found {found}. Put a valid key (make one with: openssl '
        "rand -base64 32).",
    )
