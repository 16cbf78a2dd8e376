"""Rows in the cells of a json or jsonb column."""

import itertools
import re
from collections.abc import Mapping

from .errors import KeyRotationError
from .json_object import json_object_texts, json_string
from .legacy_forms import MEMBERS, box_of_versioned_object
from .row_from_text import row_from_text

DATA_MEMBER = "data"
"""The member that holds the ciphertext in the jsonb values of older data: ``{"data": "v1:…"}``."""

MOST_LEVELS = 32
"""Each level of JSON in a string of JSON doubles its quotes: no application writes so many."""

_OLDER_MEMBERS = 3
"""``version``, ``ciphertext`` and ``algorithm``."""

_MAY_BE_JSON = re.compile(r'[ \t\r\n]*["{]')


def row_from_json(value: object, member: str | None = None) -> bytes:
    """The row in a cell of a json or jsonb column, as bytes for ``decrypt_field``.

    ``value`` is what the database driver returns: the parsed value, or its JSON as a text. It is a string, or an object
    whose member ``member`` (default: ``data``) is one. That string is read as ``row_from_text`` reads a cell. Without a
    given ``member``, an object with ``version``, ``ciphertext`` and ``algorithm`` is older data, and its ``ciphertext``
    is the row; with one, only if it has no other members.

    Raises ``INVALID_CIPHERTEXT`` for any other value.
    """
    name = DATA_MEMBER if member is None else member
    fields = _parsed(value, (*MEMBERS, name) if member is None else None)
    if isinstance(fields, str):
        return row_from_text(fields)
    text = None if fields is None else fields.get(name)
    # Beside other members, the ciphertext of older data is not that of a member with a name and a context of its own.
    if fields is not None and (member is None or len(fields) == _OLDER_MEMBERS):
        box = box_of_versioned_object(fields)
        if box is not None:
            return box
    if text is not None:
        return row_from_text(text)
    found = f"{type(value).__name__} without that" if fields is not None else type(value).__name__
    raise KeyRotationError(
        "INVALID_CIPHERTEXT",
        f'A JSON value with a ciphertext is a string, or an object whose member "{name}" is a string; found {found}. '
        "Leave NULL values out, and name the member that holds the ciphertext.",
    )


def _parsed(value: object, names: tuple[str, ...] | None) -> str | dict[str, str | None] | None:
    """A text, or these members of an object, or all; None for anything else, and for a member that is not a string.

    A string in JSON may hold JSON again, if an application serialised the value before it passed it to its driver.
    """
    if isinstance(value, Mapping):
        found = value if names is None else {name: value[name] for name in names if name in value}
        return {name: text if isinstance(text, str) else None for name, text in found.items()}
    if not isinstance(value, str):
        return None
    inner = value
    for level in itertools.count():
        if not _MAY_BE_JSON.match(inner):
            break
        if level == MOST_LEVELS:
            raise KeyRotationError(
                "INVALID_CIPHERTEXT",
                f"A JSON value holds JSON in strings of JSON, more than {MOST_LEVELS} levels deep. Nothing that was "
                "written as a ciphertext is so.",
            )
        text = json_string(inner)
        if text is None:
            members = json_object_texts(inner, names)
            return inner if members is None else members
        inner = text
    return inner
