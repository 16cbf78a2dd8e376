"""Key numbers and the staging labels that give them."""

import re

from .errors import KeyRotationError

MAX_KEY_NUMBER = 999_999_999
"""Highest number that a numbering label can have (nine digits)."""

_NUMBERING_LABEL = re.compile(r"key-v([1-9][0-9]{0,8})")


def require_key_number(number: int) -> None:
    """Raises ``INVALID_KEY_NUMBER`` for anything but 0 ('not known') or a number up to ``MAX_KEY_NUMBER``."""
    if type(number) is not int or not 0 <= number <= MAX_KEY_NUMBER:
        found = number if isinstance(number, (int, float)) else type(number).__name__
        raise KeyRotationError(
            "INVALID_KEY_NUMBER", f"A key number is a whole number from 0 to {MAX_KEY_NUMBER}, got {found}."
        )


def number_of_label(label: str) -> int | None:
    """The number that a staging label gives; None for any other label (``key-v0``, ``key-v01``, ``AWSCURRENT``)."""
    # fullmatch: a "$" would let a line feed at the end pass.
    match = _NUMBERING_LABEL.fullmatch(label)
    return int(match[1]) if match else None
