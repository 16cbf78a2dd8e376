"""Column types for SQLAlchemy 2: encrypted in the database, plain values in the program.

``pip install 'pazpaz-keys[sqlalchemy]'``::

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))
        address: Mapped[dict | None] = mapped_column(EncryptedJson("patients:address", storage="jsonb"))

They work in a ``Session`` and in an ``AsyncSession``, with every driver. NULL stays NULL. With a context of the column,
a cell can be copied to another row of its column unnoticed. ``patients:{id}:notes`` binds it to its row, in PostgreSQL.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Engine,
    Executable,
    FetchedValue,
    Insert,
    LargeBinary,
    Table,
    Text,
    Update,
    event,
)
from sqlalchemy import JSON as JSON_COLUMN
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import Compiled
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ClauseElement, ColumnClause, ColumnElement, Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from .encrypted_cell import BYTES, JSON, TEXT, EncryptedCell, Storage, ValueKind
from .errors import KeyRotationError
from .process_ring import RingSource, shared_ring
from .row_context import ContextTemplate, InRow
from .sqlalchemy_reads import refuse_ciphertexts
from .sqlalchemy_rows import (
    EncryptedColumnError,
    Place,
    RefusedStatementError,
    RowColumn,
    Written,
    bound_to_rows,
    cell_in_row,
    refuse_moves,
    row_not_shown,
)

__all__ = ["EncryptedBytes", "EncryptedColumnError", "EncryptedJson", "EncryptedText"]

V = TypeVar("V")


class _Comparator(TypeDecorator.Comparator[Any]):
    """Allows the comparison with NULL alone. Equal values have different ciphertexts, so no other one ever matches."""

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        if op in (operators.eq, operators.ne, operators.is_, operators.is_not):
            if other[0] is None or isinstance(other[0], Null):
                return super().operate(op, *other, **kwargs)
            if isinstance(other[0], ColumnElement) and not isinstance(other[0], BindParameter):
                return _RefusedComparison(self.expr, other[0], op)
        raise _refusal(self.expr, op)

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:  # noqa: ARG002
        raise _refusal(self.expr, op)


class _RefusedComparison(BinaryExpression[bool]):
    """Two columns. SQLAlchemy itself compares them to find one in a list, so only the statement is refused."""

    inherit_cache = True


@compiles(_RefusedComparison)
def _refuse_comparison(comparison: _RefusedComparison, compiler: object, **_: object) -> NoReturn:  # noqa: ARG001
    raise _refusal(comparison.left, comparison.operator)


def _refusal(column: ColumnElement[Any], op: OperatorType) -> RefusedStatementError:
    return RefusedStatementError(
        "INVALID_COLUMN",
        f"{column} is encrypted, so the database can neither compare nor sort its values "
        f"({getattr(op, '__name__', op)}). Only IS NULL and IS NOT NULL work. To look rows up by a value, store "
        "an HMAC of it in a column of its own.",
        getattr(column.type, "context", ""),
    )


class _Encrypted(TypeDecorator[V], Generic[V]):
    impl = LargeBinary
    cache_ok = True
    _kind: ValueKind[Any]

    def __init__(
        self,
        context: str,
        storage: Storage = "bytea",
        member: str | None = None,
        ring: RingSource = shared_ring,
    ) -> None:
        """``context`` says where the values belong: ``patients:notes`` for the whole column, or ``patients:{id}:notes``
        with columns of the row in braces. It must never change.

        - ``storage``: the column's type in the database, ``bytea``, ``text``, ``json`` or ``jsonb``.
        - ``member``: writes a JSON object with the ciphertext as this member. Default: a JSON string.
        - ``ring``: a ring, or a function that returns one; default: the ring of the process, opened on first use.
        """
        super().__init__()  # SQLAlchemy's cache distinguishes types by their parameters, unless keyword-only
        self._cell: EncryptedCell[V] = EncryptedCell(self._kind, context, storage, member, ring)
        self._read, self._write = self._cell.reader(self._failed), self._cell.writer(self._failed)
        self.impl = self.impl_instance = _column_type(storage)  # type: ignore[assignment]
        self.context = context
        self.storage = storage
        self.member = member
        self.ring = ring

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        # As TypeDecorator does it, with two calls less for each value.
        to_driver, write = self.impl_instance.bind_processor(dialect), self._write
        if type(self).process_bind_param is not _Encrypted.process_bind_param:
            write = partial(self._extended, dialect)
        return write if to_driver is None else lambda value: to_driver(write(value))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return self._write(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> V | None:  # noqa: ARG002
        return self._read(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], V | None]:
        # As TypeDecorator does it, with two calls less for each cell.
        driver_type = LargeBinary().dialect_impl(dialect) if self._cell.template.columns else self.impl_instance
        from_driver, read = driver_type.result_processor(dialect, coltype), self._read
        if type(self).process_result_value is not _Encrypted.process_result_value:
            read = partial(self.process_result_value, dialect=dialect)
        return read if from_driver is None else lambda value: read(from_driver(value))

    def _extended(self, dialect: Dialect, value: Any) -> Any:
        """What a subclass's ``process_bind_param`` makes of a value. The context of its row stays with the value."""
        if not isinstance(value, InRow):
            return self.process_bind_param(value, dialect)
        in_row = copy(self)
        in_row._write = lambda plain: self._write(value.converted(lambda _: plain))
        return in_row.process_bind_param(value.value, dialect)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        template = self._cell.template
        return cell_in_row(column, template, self.storage == "bytea") if template.columns else column

    def literal_processor(self, dialect: Dialect) -> NoReturn:  # noqa: ARG002
        # Not in process_literal_param: SQLAlchemy writes the value into the message of an error from there.
        raise RefusedStatementError(
            "INVALID_COLUMN",
            f"A value of the encrypted column {self.context} is not written into the text of a statement. "
            "Leave literal_binds out.",
            self.context,
        )

    @property
    def comparator_factory(self) -> type[TypeEngine.Comparator[Any]]:  # type: ignore[override]
        return _Comparator

    def __repr__(self) -> str:
        """For Alembic, which writes it into migrations. The ring does not matter there."""
        storage = "" if self.storage == "bytea" else f", storage={self.storage!r}"
        member = "" if self.member is None else f", member={self.member!r}"
        return f"{type(self).__name__}({self.context!r}{storage}{member})"

    def _failed(self, error: KeyRotationError, context: str) -> EncryptedColumnError:
        return EncryptedColumnError(error.code, f"Column {context}: {error}", context)


@event.listens_for(Engine, "before_execute", retval=True)
def _before_execute(
    connection: Connection,
    statement: Executable,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Executable, Sequence[Mapping[str, Any]], Mapping[str, Any]]:
    """Refuses to write an SQL expression into an encrypted column: the database would store it in clear. Binds values
    to their rows where the context names the row. Refuses to return ciphertexts."""
    elements = _elements(statement)
    for element in elements:
        refuse_ciphertexts(element, _encrypted_type)
    for nested in (element for element in reversed(elements) if isinstance(element, (Insert, Update))):
        written = list(_written(nested))
        _refuse_expressions(nested, written)
        columns = [RowColumn(column, template) for column in nested.table.c if (template := _row_template(column))]
        if columns:
            refuse_moves(nested, columns, written, is_nested=nested is not statement)
    if not isinstance(statement, (Insert, Update)) or not columns:
        return statement, multiparams, params
    values = {column.key: value for column, value, place in written if place in ("values", "select")}
    rows = bound_to_rows(
        connection, statement, columns, values, [dict(row) for row in multiparams or [params]], options
    )
    return (statement, rows, {}) if multiparams else (statement, [], rows[0])


def _elements(statement: Any) -> list[ClauseElement]:
    """A statement and everything in it, itself first."""
    found: dict[int, ClauseElement] = {}
    waiting = [statement.statement if isinstance(statement, Compiled) else statement]
    while waiting:
        element = waiting.pop()
        if (
            id(element) in found
            or not isinstance(element, ClauseElement)
            or isinstance(element, (Table, BindParameter))
        ):
            continue
        found[id(element)] = element  # which also keeps it: an id is unique only among living objects
        waiting.extend(element.get_children())
    return list(found.values())


def _refuse_expressions(statement: Insert | Update, written: Iterable[Written]) -> None:
    for column, value, place in written:
        encrypted = _encrypted_type(column)
        if encrypted is not None and not _may_be_stored(value, column, place, statement):
            raise RefusedStatementError(
                "INVALID_COLUMN",
                f"The encrypted column {column} takes values, not SQL expressions: the database cannot encrypt. "
                "Read the value, change it in the program and store it.",
                encrypted.context,
            )


def _encrypted_type(column: Any) -> "_Encrypted[Any] | None":
    """The type of a column, or what an array or a type of the application's own is made of, if it encrypts."""
    found = getattr(column, "type", None)
    while isinstance(found, (ARRAY, TypeDecorator)) and not isinstance(found, _Encrypted):
        found = found.item_type if isinstance(found, ARRAY) else found.impl_instance
    variants = getattr(found, "_variant_mapping", {}).values()
    return next((each for each in (found, *variants) if isinstance(each, _Encrypted)), None)


@event.listens_for(Column, "after_parent_attach")
def _refuse_defaults_of_the_database(column: Column[Any], table: object) -> None:  # noqa: ARG001
    encrypted = _encrypted_type(column)
    if encrypted is None:
        return
    computed = [
        name
        for name in ("default", "onupdate")
        if (default := getattr(column, name)) is not None and not (default.is_scalar or default.is_callable)
    ]
    # A plain FetchedValue only says that the database may change the column.
    if column.server_default is not None and type(column.server_default) is not FetchedValue:
        computed.append("server_default")
    if computed:
        raise RefusedStatementError(
            "INVALID_COLUMN",
            f"The encrypted column {column} takes no {' and no '.join(computed)} that the database computes, because "
            "the database cannot encrypt. Use a value or a function of Python.",
            encrypted.context,
        )


def _row_template(column: Any) -> ContextTemplate | None:
    """The column's context, if it names the row."""
    template = column.type._cell.template if isinstance(column.type, _Encrypted) else None
    return template if template is not None and template.columns else None


_ADVICE = {
    "rows": "Pass the rows as parameters: session.execute(insert(Patient), rows).",
    "conflict": "Write insert.excluded[…] there, with the columns of the context as index_elements.",
}


def _written(statement: Insert | Update) -> Iterator[Written]:
    """Each column that a statement writes, with its value."""
    table = statement.table.c
    mapper = getattr(statement._propagate_attrs.get("plugin_subject"), "mapper", None)
    for key, value, place in _pairs(statement):
        column = key
        if not isinstance(key, ColumnElement):
            column = table.get(key) if mapper is None else mapper.columns.get(key, table.get(key))
        if column is not None:
            yield column, value, place


def _pairs(statement: Insert | Update) -> Iterator[tuple[Any, object, Place]]:
    # SQLAlchemy shows what a statement writes only in private attributes, which differ between versions.
    def private(name: str, of: object = statement) -> Any:
        found = getattr(of, name, None)
        return () if found is None else found

    selected = getattr(statement, "select", None)
    if selected is not None:
        for name, value in zip(private("_select_names"), selected.selected_columns, strict=False):
            yield name, value, "select"
    for name, value in [*dict(private("_values")).items(), *private("_ordered_values")]:
        yield name, value, "values"
    for rows in private("_multi_values"):
        for row in rows:
            for name, value in row.items() if isinstance(row, dict) else zip(statement.table.c, row, strict=False):
                yield name, value, "rows"
    for name, value in dict(private("update_values_to_set", private("_post_values_clause"))).items():
        yield name, value, "conflict"


def _may_be_stored(value: object, column: ColumnElement[Any], place: Place, statement: Insert | Update) -> bool:
    """Whether a value is encrypted on its way, or is a cell of a column with the same context."""
    template = _row_template(column)
    is_value = not hasattr(value, "__clause_element__") and not isinstance(value, ClauseElement)
    if template is not None and is_value and value is not None and place in _ADVICE:
        raise row_not_shown(template, "its place in the statement does not show", [], _ADVICE[place])
    if is_value:
        return True
    expression: Any = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    if isinstance(expression, Null):
        return True
    if isinstance(expression, BindParameter):
        return expression.type._isnull or _encrypted_type(expression) is not None
    if not isinstance(expression, ColumnClause) or expression.type._static_cache_key != column.type._static_cache_key:
        return False
    return template is None or _stays_in_its_row(expression, column, template, place, statement)


def _stays_in_its_row(
    cell: Any, column: Any, template: ContextTemplate, place: Place, statement: Insert | Update
) -> bool:
    if place == "values":
        return isinstance(statement, Update) and hash(cell) == hash(column)
    clause = getattr(statement, "_post_values_clause", None)
    target = [getattr(name, "name", name) for name in getattr(clause, "inferred_target_elements", None) or ()]
    is_excluded = place == "conflict" and cell.table is not statement.table
    return is_excluded and set(template.columns) <= set(target)


class EncryptedText(_Encrypted[str]):
    """A text. Reads older data of the column in every form, too."""

    cache_ok = True
    _kind = TEXT


class EncryptedBytes(_Encrypted[bytes]):
    """Bytes. Reads older data of the column in every form, too."""

    cache_ok = True
    _kind = BYTES


def _json(value: object) -> bytes:
    if value is JSON_COLUMN.NULL:
        raise KeyRotationError("INVALID_TEXT", "JSON.NULL is no value that is encrypted. Write None, which is NULL.")
    return JSON.to_plaintext(value)


class EncryptedJson(_Encrypted[Any]):
    """A value that JSON can hold; None is NULL. A change within the value counts only with ``MutableDict.as_mutable``.

    Reads older data of the column in every form, too.
    """

    cache_ok = True
    _kind = replace(JSON, to_plaintext=_json)


def _column_type(storage: Storage) -> TypeEngine[Any]:
    if storage == "bytea":
        return LargeBinary()
    if storage == "text":
        return Text()
    json_column = JSON_COLUMN(none_as_null=True)
    return json_column if storage == "json" else json_column.with_variant(JSONB(none_as_null=True), "postgresql")
