"""Model fields for Django: encrypted in the database, plain values in the program.

``pip install 'pazpaz-keys[django]'``::

    class Patient(models.Model):
        notes = EncryptedTextField(context="patients:notes", null=True)
        address = EncryptedJsonField(context="patients:address", storage="jsonb", null=True)

NULL stays NULL. The context belongs to the field and is written into migrations, because it must never change. A field
does not see the row that it writes, so a cell can be copied to another row of its column unnoticed.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.db.models.expressions import Case, Col, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, IsNull, Lookup, Transform

from .encrypted_cell import BYTES, TEXT, EncryptedCell, ValueKind, json_with
from .errors import KeyRotationError
from .process_ring import RingSource, shared_ring

__all__ = ["EncryptedBytesField", "EncryptedJsonField", "EncryptedTextField"]

Storage = Literal["bytea", "text", "jsonb"]
"""The type of the column in the database."""

_INTERNAL_TYPE = {"bytea": "BinaryField", "text": "TextField", "jsonb": "JSONField"}

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
    _TextField = models.TextField[Any, Any]
    _BinaryField = models.BinaryField[Any, Any]
    _JsonField = models.JSONField[Any, Any]
else:
    _Field, _TextField, _BinaryField, _JsonField = (
        models.Field,
        models.TextField,
        models.BinaryField,
        models.JSONField,
    )


class _Encrypted(_Field):
    _kind: ValueKind[Any]

    def __init__(
        self,
        *args: Any,
        context: str,
        storage: Storage = "bytea",
        member: str | None = None,
        ring: RingSource = shared_ring,
        **kwargs: Any,
    ) -> None:
        """``context`` says where the values belong, such as ``patients:notes``. It must never change.

        - ``storage``: the column's type in the database, ``bytea``, ``text`` or ``jsonb``.
        - ``member``: writes a JSON object with the ciphertext as this member. Default: a JSON string.
        - ``ring``: a function that returns a ring, for migrations one of a module; default: the ring of the process,
          opened on first use.
        """
        if storage not in get_args(Storage):
            raise KeyRotationError(
                "INVALID_SETTINGS", f"storage must be one of {', '.join(get_args(Storage))}, got {storage!r}."
            )
        self._cell: EncryptedCell[Any] = EncryptedCell(self._kind, context, storage, member, ring)
        self._read = self._cell.reader(self._failed)
        self.context = context
        self.storage = storage
        self.member = member
        self.ring = ring
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["context"] = self.context
        if self.storage != "bytea":
            kwargs["storage"] = self.storage
        if self.member is not None:
            kwargs["member"] = self.member
        if self.ring is not shared_ring:
            kwargs["ring"] = self.ring
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        return _INTERNAL_TYPE[self.storage]

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        refused = [
            name for name in ("primary_key", "unique", "db_index", "db_default") if _is_set(getattr(self, name, None))
        ]
        found = [
            checks.Error(
                f"{name} has no meaning for an encrypted field: equal values have different ciphertexts, and only this "
                "program can encrypt.",
                hint="To look rows up by a value, store an HMAC of it in a field of its own.",
                obj=self,
                id="pazpaz_keys.E001",
            )
            for name in refused
        ]
        return [*super().check(**kwargs), *found]

    # Into the database

    def get_prep_value(self, value: Any) -> Any:
        return value  # EncryptedCell checks it, and does not turn another type into a text

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: ARG002
        if value is None:
            return None
        try:
            cell = self._cell.encrypted(value)
        except KeyRotationError as error:
            value, failed = None, self._failed(error)
        else:
            if self.storage == "jsonb":
                return connection.ops.adapt_json_value(cell, None)
            return connection.Database.Binary(cell) if self.storage == "bytea" else cell
        raise failed

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if not hasattr(value, "as_sql"):
            return self.get_db_prep_value(value, connection)
        if not all(self._may_be_stored(part) for part in _results(value)):
            raise FieldError(
                f"The encrypted field {self.name} takes values, not {type(value).__name__} expressions: the database "
                "cannot encrypt. Read the value, change it in the program and save it."
            )
        return value

    def _may_be_stored(self, part: Any) -> bool:
        if isinstance(part, Value) and part.value is None:
            return True
        field = part.output_field if isinstance(part, Value) else getattr(part, "target", None)
        return (
            isinstance(field, _Encrypted)
            and isinstance(part, (Value, Col))
            and (field.context, field.storage, field.member) == (self.context, self.storage, self.member)
        )

    # Out of the database

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:  # noqa: ARG002
        return self._read(value)

    def _failed(self, error: KeyRotationError) -> KeyRotationError:
        return KeyRotationError(error.code, f"Field {self.context}: {error}")

    # Queries

    def get_lookup(self, lookup_name: str) -> "type[Lookup[Any]] | None":
        if lookup_name == "isnull":
            return IsNull
        return _NullOrRefused if lookup_name == "exact" else _Refused

    def get_transform(self, lookup_name: str) -> "type[Transform] | None":  # noqa: ARG002
        return None


class EncryptedTextField(_Encrypted, _TextField):
    """A text. Reads older data of the column in every form, too."""

    _kind = TEXT


class EncryptedBytesField(_Encrypted, _BinaryField):
    """Bytes. Reads older data of the column in every form, too."""

    _kind = BYTES


class EncryptedJsonField(_Encrypted, _JsonField):
    """A value that JSON can hold; None is NULL. Takes ``encoder`` and ``decoder`` as Django's own field does.

    Reads older data of the column in every form, too.
    """

    def __init__(
        self,
        *args: Any,
        encoder: type[json.JSONEncoder] | None = None,
        decoder: type[json.JSONDecoder] | None = None,
        **kwargs: Any,
    ) -> None:
        self._kind = json_with(encoder, decoder)
        super().__init__(*args, encoder=encoder, decoder=decoder, **kwargs)


class _Refused(Exact):  # type: ignore[type-arg]
    """Equal values have different ciphertexts, so no lookup but ``isnull`` ever matches."""

    def get_prep_lookup(self) -> Any:
        raise FieldError(
            f"{self.lhs.output_field.name} is encrypted, so the database can neither compare nor search its values. "
            "Only isnull works. To look rows up by a value, store an HMAC of it in a field of its own."
        )


class _NullOrRefused(_Refused):
    """``exact`` with None, which Django then makes ``isnull``."""

    def get_prep_lookup(self) -> Any:
        return None if self.rhs is None else super().get_prep_lookup()


def _results(expression: Any) -> Iterator[Any]:
    """The expressions whose values ``expression`` can have. ``bulk_update`` makes a ``Case`` of the rows' values."""
    if isinstance(expression, Case):
        for case in expression.cases:
            yield from _results(case)
        yield from _results(expression.default)
    elif isinstance(expression, When):
        yield from _results(expression.result)
    elif isinstance(expression, Cast):
        for source in expression.get_source_expressions():
            yield from _results(source)
    else:
        yield expression


def _is_set(option: Any) -> bool:
    return bool(option) and option is not models.NOT_PROVIDED
