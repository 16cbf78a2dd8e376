"""Contexts that name the row, such as ``patients:{id}:notes``, and the cells that are read together with their row."""

import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .errors import KeyRotationError

MARK = "row:"
"""What a cell that was selected together with its row begins with."""

IGNORES_CASE = "citext ignores case, so that a write for 'ABC' would change the row of 'abc', in"
"""Why nothing is written under a key of that type: the cell would not open under the key that the row has."""

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]")


class ContextTemplate(NamedTuple):
    """Text, and columns of the row in braces, each as PostgreSQL spells it (``id::text``). A brace of the text itself
    is written twice. The operator's commands take the same template."""

    source: str
    texts: tuple[str, ...]
    """One more than there are columns: the texts before, between and after them."""
    columns: tuple[str, ...]

    def of(self, values: Sequence[str]) -> str:
        """The context of a row. ``values``: one for each of ``columns``."""
        return self.texts[0] + "".join(value + text for value, text in zip(values, self.texts[1:], strict=True))

    def to_write(self, values: Sequence[str]) -> str:
        """The context of a row that is to be written. Raises ``INVALID_COLUMN`` where another row could have it, too:
        a value before another column has the text in it that ends it."""
        for value, end in zip(values[:-1], self.texts[1:], strict=False):
            if (value + end).find(end) != len(value):
                raise KeyRotationError(
                    "INVALID_COLUMN",
                    f"The context {self.source!r} cannot tell this row from others: a value of "
                    f"{' or '.join(self.columns)} has the text in it that separates them. Use a text between the "
                    "columns that no value has. Nothing was written.",
                )
        return self.of(values)


def context_template(source: str) -> ContextTemplate:
    """Raises ``INVALID_COLUMN`` for a brace without its pair, or without a name in it."""
    texts, columns = [""], []
    for token in _TOKEN.findall(source):
        if token in ("{{", "}}"):
            texts[-1] += token[0]
        elif token in ("{", "}", "{}"):
            raise KeyRotationError(
                "INVALID_COLUMN",
                f"The context {source!r} is not a template: expected text with columns of the row in braces, such as "
                "patients:{id}:notes. A brace that belongs to the text is written twice: {{ or }}.",
            )
        elif token[0] == "{":
            columns.append(token[1:-1])
            texts.append("")
        else:
            texts[-1] += token
    return ContextTemplate(source, tuple(texts), tuple(columns))


class InRow:
    """A value on its way into the database, with the context of its row."""

    __slots__ = ("context", "value")

    def __init__(self, value: object, context: str) -> None:
        self.value = value
        self.context = context

    def converted(self, convert: Callable[[Any], object]) -> "InRow | None":
        """What ``convert`` makes of the value, with the same context; None for None."""
        value = convert(self.value)
        return None if value is None else InRow(value, self.context)

    def __repr__(self) -> str:
        return f"InRow({self.context!r})"


def spelled_uuid(value: object) -> str | None:
    """A UUID as PostgreSQL spells it, or None. A text may spell one in capitals, or in braces."""
    if isinstance(value, str):
        with suppress(ValueError):
            return str(uuid.UUID(value))
    return str(value) if isinstance(value, uuid.UUID) else None


def row_of_cell(found: bytes, template: ContextTemplate) -> tuple[str, bytes]:
    """The context and the cell of what the database returned: the mark, each column after ``=`` and before a zero byte
    (nothing if it is NULL), and the cell.

    Raises ``INVALID_COLUMN``.
    """
    parts = found.split(b"\0", len(template.columns)) if isinstance(found, bytes) else []
    if len(parts) != len(template.columns) + 1 or not parts[0].startswith(MARK.encode()):
        raise not_shown(template.source, "the statement does not select", template.columns, "Select the column itself.")
    parts[0] = parts[0][len(MARK) :]
    keys = [part.decode("utf-8", "replace")[1:] for part in parts[:-1] if part]
    if len(keys) < len(template.columns):
        missing = [name for name, part in zip(template.columns, parts, strict=False) if not part]
        raise not_shown(template.source, "the row has NULL in", missing, "Give the row a value there.")
    return template.of(keys), parts[-1]


def not_shown(source: str, why: str, columns: Sequence[str], advice: str) -> KeyRotationError:
    """``INVALID_COLUMN``: the context needs what the statement or the row does not show."""
    return KeyRotationError(
        "INVALID_COLUMN", f"The context {source!r} names the row, but {why} {' and '.join(columns) or 'it'}. {advice}"
    )
