"""Refuses what SQLAlchemy would return as a ciphertext, because the result has another type than the column."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import CompoundSelect
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement

from .sqlalchemy_rows import RefusedStatementError

_PASS_VALUES_ON = frozenset(
    [
        *("string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg"),
        *("json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "to_json", "to_jsonb"),
        *("first_value", "last_value", "nth_value", "lag", "lead"),
    ]
)
"""Functions whose result holds their arguments. For array_agg, max and min, SQLAlchemy knows the type and decrypts."""

EncryptedTypeOf = Callable[[Any], Any]
"""The type of an expression if it encrypts, otherwise None."""


def refuse_ciphertexts(element: ClauseElement, encrypted_type: EncryptedTypeOf) -> None:
    """Raises ``INVALID_COLUMN`` for a function or a union that returns what an encrypted column stores."""
    if isinstance(element, CompoundSelect):
        _refuse_other_parts(element, encrypted_type)
    elif isinstance(element, FunctionElement) and str(getattr(element, "name", "")).lower() in _PASS_VALUES_ON:
        for argument in element.clauses if encrypted_type(element) is None else ():
            if (encrypted := encrypted_type(argument)) is not None:
                raise _returns_ciphertexts(f"{element.name} of {argument}", encrypted)


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
