"""Model fields for Django: encrypted in the database, plain values in the program.

``pip install 'pazpaz-keys[django]'``::

    class Patient(models.Model):
        notes = EncryptedTextField(context="patients:notes", null=True)
        address = EncryptedJsonField(context="patients:address", storage="jsonb", null=True)

NULL stays NULL. The context is written into migrations, because it must never change. With a context of the field, a
cell can be copied to another row of its column unnoticed. ``patients:{id}:notes`` binds it to its row, in PostgreSQL.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from django.core import checks
from django.db import connection, connections, models
from django.db.models.expressions import Col, Value
from django.db.models.lookups import IsNull, Lookup, Transform
from django.db.models.sql import UpdateQuery

from .django_converters import convert_by_columns
from .django_refusals import NullOrRefused, Refused, RefusedFieldError, results_of
from .encrypted_cell import BYTES, TEXT, EncryptedCell, ValueKind, json_with
from .errors import EncryptedColumnError, KeyRotationError
from .process_ring import RingSource, shared_ring
from .row_context import IGNORES_CASE, MARK, ContextTemplate, InRow, not_shown, spelled_uuid

__all__ = ["EncryptedBytesField", "EncryptedColumnError", "EncryptedJsonField", "EncryptedTextField"]

Storage = Literal["bytea", "text", "jsonb"]
"""The type of the column in the database."""

_SAVE_EACH = "Read the rows and save() each: every row has a ciphertext of its own."

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
        """``context`` says where the values belong: ``patients:notes`` for the whole column, or ``patients:{id}:notes``
        with columns of the row in braces. It must never change.

        - ``storage``: the column's type in the database, ``bytea``, ``text`` or ``jsonb``.
        - ``member``: writes a JSON object with the ciphertext as this member. Default: a JSON string.
        - ``ring``: a function that returns a ring, for migrations one of a module; default: the ring of the process,
          opened on first use.
        """
        if storage not in get_args(Storage):
            raise KeyRotationError(
                "INVALID_SETTINGS", f"storage must be one of {', '.join(get_args(Storage))}, got {storage!r}."
            )
        self._cell: EncryptedCell[Any] = EncryptedCell(self._kind, context, storage, member, ring, _SAVE_EACH)
        self._read = self._cell.reader(self._failed)
        if type(self).from_db_value is _Encrypted.from_db_value:
            # An attribute of the instance, because a method would be one more call for each cell.
            self.from_db_value = self._read  # type: ignore[method-assign]
        self._write = self._cell.writer(self._failed)
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
        return [*super().check(**kwargs), *found, *self._warnings()]

    def _warnings(self) -> list[checks.CheckMessage]:
        if any(field is self for field in self.model._meta.local_fields):
            return []
        return [
            checks.Warning(
                "An encrypted field is the element of another field: an SQL expression that is written to it is stored "
                "in clear, and conditions find nothing.",
                hint="Store the list in an EncryptedJsonField.",
                obj=self,
                id="pazpaz_keys.W001",
            )
        ]

    # Into the database

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        if self._cell.template.columns:
            models.signals.pre_save.connect(_generate_key, dispatch_uid="pazpaz_keys")  # proxies are senders, too
            models.signals.class_prepared.connect(_watch_keys, sender=cls, dispatch_uid="pazpaz_keys")

    def pre_save(self, model_instance: Any, add: bool) -> Any:  # noqa: ARG002
        value, template = getattr(model_instance, self.attname), self._cell.template
        if not template.columns or value is None or hasattr(value, "as_sql"):
            return value
        try:
            return InRow(
                value, template.to_write([_spelled(model_instance, name, template) for name in template.columns])
            )
        except KeyRotationError as error:
            value, failed = None, self._failed(error, self.context)
        raise failed

    def get_prep_value(self, value: Any) -> Any:
        return value  # EncryptedCell checks it, and does not turn another type into a text

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = value.converted(self.get_prep_value) if isinstance(value, InRow) else self.get_prep_value(value)
        cell = self._write(value)
        if cell is None or self.storage == "text":
            return cell
        if self.storage == "jsonb":
            return connection.ops.adapt_json_value(cell, None)
        return connection.Database.Binary(cell)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if not hasattr(value, "as_sql"):
            return self.get_db_prep_value(value, connection)
        if not all(self._may_be_stored(part) for part in results_of(value)):
            raise RefusedFieldError(
                "INVALID_COLUMN",
                f"The encrypted field {self.name} takes values, not {type(value).__name__} expressions: the database "
                "cannot encrypt. Read the value, change it in the program and save it.",
                self.context,
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

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:  # noqa: ARG002
        self._refuse_moves(compiler.query)
        return "%s"

    def get_placeholder_sql(self, value: Any, compiler: Any, connection: Any) -> Any:  # noqa: ARG002
        """What Django 6.1 and newer call in place of ``get_placeholder``."""
        self._refuse_moves(compiler.query)
        return _sql_of(value, compiler)

    def _refuse_moves(self, query: Any) -> None:
        """Refuses an insert whose conflict writes the key without this cell, or this cell for another key."""
        template = self._cell.template
        if not template.columns:
            return
        updated = getattr(query, "update_fields", None) or ()
        if updated:
            unique = {field.column for field in query.unique_fields}
            moved = {field.column for field in updated} & set(template.columns) - unique
            if moved:
                raise self._moved(sorted(moved), "a conflict writes", "Leave it out of update_fields.")
            if self in updated and not set(template.columns) <= unique:
                advice = f"Give {' and '.join(template.columns)} in unique_fields."
                failed = not_shown(template.source, "a conflict updates another row: unique_fields lacks", [], advice)
                raise self._failed(failed, template.source)

    def _moved(self, columns: Sequence[str], what: str, advice: str) -> EncryptedColumnError:
        failed = not_shown(self.context, f"{what}, without a new {self.name},", columns, advice)
        return RefusedFieldError(failed.code, f"Field {self.context}: {failed}", self.context)

    # Out of the database

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The value of a cell. A subclass may extend it."""
        return self._read(value, expression, connection)

    def get_col(self, alias: str, output_field: Any = None) -> Any:
        if not self._cell.template.columns:
            return super().get_col(alias, output_field)
        return _CellInRow(alias, self, output_field or self)

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        convert_by_columns(compiler)
        return super().select_format(compiler, sql, params)

    def _failed(self, error: KeyRotationError, context: str) -> EncryptedColumnError:
        return EncryptedColumnError(error.code, f"Field {context}: {error}", context)

    # Queries

    def get_lookup(self, lookup_name: str) -> "type[Lookup[Any]] | None":
        if lookup_name == "isnull":
            return IsNull
        return NullOrRefused if lookup_name == "exact" else Refused

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


class _CellInRow(Col):
    """A cell, selected with the columns of its row in front of it, as ``row_of_cell`` reads it. NULL if it is NULL."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        field: Any = self.target
        template = field._cell.template
        if compiler.connection.vendor != "postgresql":
            raise field._failed(
                not_shown(
                    template.source,
                    "only in PostgreSQL is a cell selected with its",
                    template.columns,
                    "Give the field a context of its own, such as patients:notes.",
                ),
                template.source,
            )
        parts = [f"convert_to('{MARK}', 'UTF8')"]
        for name in template.columns:
            key = _field_of(field.model, name, template)
            key_sql, _ = compiler.compile(key.get_col(self.alias))
            parts.append(f"convert_to(coalesce('=' || ({key_sql})::text, ''), 'UTF8') || '\\x00'::bytea")
        cell = sql if field.storage == "bytea" else f"convert_to(({sql})::text, 'UTF8')"
        return field.select_format(compiler, " || ".join([*parts, cell]), params)


def _field_of(model: Any, name: str, template: ContextTemplate) -> Any:
    """The field of a column that a context names."""
    field = next((field for field in model._meta.concrete_fields if field.column == name), None)
    if field is None:
        raise not_shown(template.source, f"the model {model.__name__} has no column", [name], "Correct the context.")
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if not isinstance(target, (models.IntegerField, models.CharField, models.TextField, models.UUIDField)):
        raise not_shown(
            template.source,
            f"{type(target).__name__} has other spellings than a text, an integer or a UUID, in",
            [name],
            "Name a column of such a type.",
        )
    return field


def _watch_keys(sender: Any, **_: object) -> None:
    """Lets each column that a context of the model names refuse to be written without the cell.

    Every way to update a row, from ``save`` to a related manager, asks the field for its placeholder.
    """
    encrypted = [field for field in sender._meta.local_concrete_fields if isinstance(field, _Encrypted)]
    for key in sender._meta.local_concrete_fields:
        bound = [field for field in encrypted if key.column in field._cell.template.columns]
        if bound:
            for name, usual in (("get_placeholder", _placeholder), ("get_placeholder_sql", _sql_of)):
                setattr(key, name, partial(_placeholder_of_key, key, bound, getattr(key, name, usual)))


def _placeholder(*_: object) -> str:
    return "%s"


def _sql_of(value: Any, compiler: Any, *_: object) -> Any:
    return compiler.compile(value) if hasattr(value, "as_sql") else ("%s", (value,))


def _placeholder_of_key(
    key: Any, bound: list[_Encrypted], placeholder: Any, value: Any, compiler: Any, connection: Any
) -> Any:
    written = (
        {field: cell for field, _, cell in compiler.query.values} if isinstance(compiler.query, UpdateQuery) else {}
    )
    for field in bound if key in written else ():
        if not isinstance(written.get(field, field), (InRow, type(None))):
            advice = "Load the whole instance, change it and save() it without update_fields."
            raise field._moved([key.column], "the statement writes", advice)
    return placeholder(value, compiler, connection)


def _spelled(instance: Any, name: str, template: ContextTemplate) -> str:
    """A column of the instance's row as PostgreSQL spells it."""
    field = _field_of(type(instance), name, template)
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if type(target).db_type is not models.Field.db_type and target.db_type(connection) == "citext":
        raise not_shown(template.source, IGNORES_CASE, [name], "Name a column of another type.")
    value = getattr(instance, field.attname)
    text: str | None = str(value) if type(value) is (int if isinstance(target, models.IntegerField) else str) else None
    text = spelled_uuid(value) if isinstance(target, models.UUIDField) else text
    if text is None:
        advice = "Give the instance one, as int, str or UUID. Only save() and create() take a number from the database."
        raise not_shown(template.source, f"this {type(instance).__name__} does not have", [name], advice)
    return text


def _generate_key(sender: Any, instance: Any, raw: bool, using: str, **_: object) -> None:  # noqa: ARG001
    """Takes the next number of the primary key before the row is written, because its contexts need it."""
    connection, key = connections[using], instance._meta.pk
    if instance.pk is not None or not isinstance(key, models.AutoField) or raw:
        return
    encrypted = [field for field in instance._meta.concrete_fields if isinstance(field, _Encrypted)]
    if connection.vendor == "postgresql" and any(field._cell.template.columns for field in encrypted):
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(instance._meta.db_table)
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [table, key.column])
            instance.pk = cursor.fetchone()[0]


def _is_set(option: Any) -> bool:
    return bool(option) and option is not models.NOT_PROVIDED
