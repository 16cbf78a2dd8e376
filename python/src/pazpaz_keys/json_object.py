"""Just enough JSON to read an object exactly as the TypeScript side does.

Python's own parser is told to refuse NaN and Infinity, to convert no number (it refuses those of more than 4,300
digits) and to keep duplicate members. It refuses deep nesting, which is read here token by token, ten times as slowly.
So is a small text with many lists or objects: for each hundreds that the parser makes, the garbage collector runs, and
now and then it looks through everything in the process, which may hold an event loop for more than 20 ms.
"""

import json
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:"
    r"(?P<mark>[{}\[\],:])"
    r'|(?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*")'
    r"|(?P<scalar>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
    r")"
)
_SPACE = re.compile(r"[ \t\r\n]*")
_CLOSING = {"{": "}", "[": "]"}
_MAX_BRACKETS = 100
_MAX_TOKENS_READ_HERE = 16384


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# A tuple stands for an object: no other value becomes one.
_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=len, parse_float=len, parse_constant=_refuse, strict=True
)


class JsonMember(NamedTuple):
    name: str
    text: str | None
    """The value if it is a string; None for anything else."""


def json_object_members(text: str) -> list[JsonMember] | None:
    """The members of the JSON object (RFC 8259) in ``text``, in order, with duplicates.

    Members of nested objects are left out. None for anything that is not valid JSON or not an object.
    """
    members = _members(text)
    if members is None:
        return None
    return [JsonMember(name, member if isinstance(member, str) else None) for name, member in members]


def json_object_texts(text: str, names: Collection[str] | None = None) -> dict[str, str | None] | None:
    """These members of a JSON object (default: all); None for one that is not a string. Of two with one name, the last
    counts.

    Much faster than ``json_object_members`` for an object with many members.
    """
    pairs = _members(text)
    if pairs is None:
        return None
    members = dict(pairs)
    found = members if names is None else {name: members[name] for name in names if name in members}
    return {name: member if isinstance(member, str) else None for name, member in found.items()}


def _members(text: str) -> Iterable[tuple[str, object]] | None:
    if not _has_many_brackets(text):
        try:
            value = _DECODER.decode(text)
        except ValueError:  # from the library, or from a NaN or Infinity
            return None
        except RecursionError:
            pass
        else:
            return value if isinstance(value, tuple) else None
    return _deep_object_members(text)


def _has_many_brackets(text: str) -> bool:
    brackets = text.count("[") + text.count("{")
    tokens = 2 * (brackets + text.count(",") + text.count(":"))
    return brackets > _MAX_BRACKETS and tokens <= _MAX_TOKENS_READ_HERE


def _deep_object_members(text: str) -> list[JsonMember] | None:
    """``json_object_members``, token by token."""
    members: list[JsonMember] = []
    open_brackets: list[str] = []
    name = ""
    expected = "value"
    position = 0
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()
        mark, string = token["mark"], token["string"]
        if not open_brackets and mark != "{":
            return None

        if expected in ("name", "name or end") and string is not None:
            name, expected = _decoded(string), "colon"
        elif expected == "colon" and mark == ":":
            expected = "value"
        elif expected in ("value", "value or end") and mark not in ("}", "]", ",", ":"):
            if len(open_brackets) == 1 and open_brackets[0] == "{":
                members.append(JsonMember(name, None if string is None else _decoded(string)))
            if mark is not None:
                open_brackets.append(mark)
                expected = "name or end" if mark == "{" else "value or end"
            else:
                expected = "comma or end"
        elif expected == "comma or end" and mark == ",":
            expected = "name" if open_brackets[-1] == "{" else "value"
        elif expected.endswith("or end") and mark == _CLOSING[open_brackets[-1]]:
            open_brackets.pop()
            expected = "comma or end"
            if not open_brackets:
                return members if _SPACE.fullmatch(text, position) else None
        else:
            return None


def json_string(text: str) -> str | None:
    """The JSON string in ``text``, white space around it allowed; None for anything else."""
    token = _TOKEN.match(text)
    is_string = token is not None and token["string"] is not None and _SPACE.fullmatch(text, token.end())
    return _decoded(token["string"]) if token is not None and is_string else None


def _decoded(string: str) -> str:
    return str(json.loads(string))
