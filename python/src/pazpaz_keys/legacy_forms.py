"""Data written before this system."""

import re
from collections.abc import Mapping

from .json_object import json_object_texts
from .strict_base64 import decode_strict_base64

_VERSION_PREFIX = re.compile(rb"v[0-9]+:")
_DATA = re.compile(r"v[0-9]+:(.*)", re.DOTALL)
_VERSION = re.compile(r"v[0-9]+")
_OPENS_AN_OBJECT = re.compile(rb"[ \t\r\n]*\{")
_FIRST_BYTES_OF_TEXT = frozenset(b" \t\r\n{v")
MEMBERS = ("version", "ciphertext", "algorithm", "data")
"""The members of JSON objects that older data has."""

_ALGORITHM = "AES-256-GCM"


def legacy_boxes(data: bytes) -> list[bytes]:
    """Every ``nonce ‖ ciphertext ‖ tag`` that a row may hold if it was written before this system, rare forms first.

    The ``ciphertext`` or the ``data`` of a JSON object; what follows ``vN:``, as base64 and as bytes; the whole row. A
    random nonce may look like any of them, so these are candidates: only a tag that verifies decides. The N names a key
    of the old application, not one of our key numbers, and is ignored.
    """
    if data[0] not in _FIRST_BYTES_OF_TEXT:  # a cheap check first: most rows are random bytes
        return [data]
    boxes: list[bytes] = []
    if _OPENS_AN_OBJECT.match(data):
        boxes += _boxes_of_json(data)
    prefix = _VERSION_PREFIX.match(data)
    if prefix is not None:
        rest = data[prefix.end() :]
        box = decode_strict_base64(rest.decode("latin-1"))
        if box is not None:
            boxes.append(box)
        boxes.append(rest)
    boxes.append(data)
    return boxes


def box_of_versioned_object(fields: Mapping[str, str | None]) -> bytes | None:
    """The ``ciphertext`` of an object with version and algorithm. ``fields``: None for a value that is not a string."""
    version, ciphertext = fields.get("version"), fields.get("ciphertext")
    is_form = version is not None and _VERSION.fullmatch(version) and fields.get("algorithm") == _ALGORITHM
    return decode_strict_base64(ciphertext) if is_form and ciphertext is not None else None


def _box_of_data(fields: Mapping[str, str | None]) -> bytes | None:
    """The ``data`` of an object, if it is ``vN:`` before base64."""
    prefixed = _DATA.fullmatch(fields.get("data") or "")
    return None if prefixed is None else decode_strict_base64(prefixed[1])


def _boxes_of_json(data: bytes) -> list[bytes]:
    """Members may come in any order and with others: jsonb reorders, and a row that is refused is lost."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return []
    fields = json_object_texts(text, MEMBERS)
    if fields is None:
        return []
    return [box for box in (box_of_versioned_object(fields), _box_of_data(fields)) if box is not None]
