"""Refuses what SQLAlchemy would return as a ciphertext, because the result has another type than the column."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import CompoundSelect
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Case, Cast, ClauseElement, ColumnElement, TableValuedColumn
from sqlalchemy.sql.functions import FunctionElement

from .sqlalchemy_rows import RefusedStatementError

_PASS_VALUES_ON = frozenset(
    [
        *("string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg"),
        *("json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "to_json", "to_jsonb"),
        *("row_to_json", "first_value", "last_value", "nth_value", "lag", "lead", "any_value", "unnest"),
        *("coalesce", "nullif", "greatest", "least", "concat", "concat_ws", "format"),
    ]
)
"""Functions whose result is or holds an argument. For array_agg, max, min, and coalesce whose first argument is an
encrypted column, SQLAlchemy knows the type and decrypts."""

EncryptedTypeOf = Callable[[Any], Any]
"""The type of an expression if it encrypts, otherwise None."""


def refuse_ciphertexts(element: ClauseElement, encrypted_type: EncryptedTypeOf) -> None:
    """Raises ``INVALID_COLUMN`` for an expression or a union that returns what an encrypted column stores."""
    if isinstance(element, CompoundSelect):
        _refuse_other_parts(element, encrypted_type)
        return
    what, values = _passed_on(element)
    for value in values if encrypted_type(element) is None else ():
        parts = value.scalar_alias.c if isinstance(value, TableValuedColumn) else [value]
        for part in parts:
            if (encrypted := encrypted_type(part)) is not None:
                raise _returns_ciphertexts(f"{what} of {part}", encrypted)


def _passed_on(element: ClauseElement) -> tuple[str, Iterable[Any]]:
    """What an expression is called, and the expressions of which its result is made."""
    if isinstance(element, Case):
        return "a CASE", [*(result for _, result in element.whens), element.else_]
    if isinstance(element, Cast):
        return "a cast", [element.clause]
    if getattr(element, "operator", None) is operators.concat_op:
        return "a concatenation", [part for part in element.get_children() if isinstance(part, ColumnElement)]
    name = str(getattr(element, "name", "")).lower() if isinstance(element, FunctionElement) else ""
    return (name, element.clauses) if name in _PASS_VALUES_ON else ("", ())  # type: ignore[attr-defined]


def _refuse_other_parts(union: "CompoundSelect[Any]", encrypted_type: EncryptedTypeOf) -> None:
    """A union has the types of its first part, by their places."""
    first, *others = [list(part.selected_columns) for part in union.selects]
    for columns in others:
        for expected, column in zip(first, columns, strict=False):
            encrypted, of_first = encrypted_type(column), encrypted_type(expected)
            if encrypted is not None and (
                of_first is None or of_first._static_cache_key != encrypted._static_cache_key
            ):
                raise _returns_ciphertexts(f"{column} in a union whose first part has {expected} there", encrypted)


def _returns_ciphertexts(what: str, encrypted: Any) -> RefusedStatementError:
    return RefusedStatementError(
        "INVALID_COLUMN",
        f"The statement selects {what}. It would return ciphertexts, because only the encrypted column itself is "
        "decrypted. Select the column, and combine the values in the program. For the ciphertexts themselves, write "
        "type_coerce(column, LargeBinary).",
        encrypted.context,
    )
