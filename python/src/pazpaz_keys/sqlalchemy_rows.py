"""Columns of SQLAlchemy whose context names the row.

A column type does not see the row. Such a cell is therefore selected with the columns of its row in front, and each
value that an INSERT or UPDATE writes is given the context of its row before the statement is compiled.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import CHAR, Column, Connection, Enum, Insert, Integer, String, Update, Uuid, func, select
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.exc import DontWrapMixin, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    ColumnElement,
    Label,
    Null,
)
from sqlalchemy.sql.functions import FunctionElement

from .encrypted_cell import SHOW_THE_ROW
from .errors import EncryptedColumnError as ColumnError
from .errors import ErrorCode
from .row_context import IGNORES_CASE, MARK, ContextTemplate, InRow, not_shown, spelled_uuid

Parameters = Mapping[str, Any]


class EncryptedColumnError(ColumnError, DontWrapMixin):
    """A failure of a column. SQLAlchemy does not wrap it: its own message would show the values."""


class RefusedStatementError(EncryptedColumnError, InvalidRequestError):
    """``INVALID_COLUMN``, which is also the error that SQLAlchemy raises for a statement that it refuses."""

    code: ErrorCode

    def __str__(self) -> str:
        return str(self.args[0])  # without SQLAlchemy's link, which would be made of the code


def row_not_shown(template: ContextTemplate, why: str, columns: Sequence[str], advice: str) -> EncryptedColumnError:
    failed = not_shown(template.source, why, columns, advice)
    return EncryptedColumnError(failed.code, str(failed), template.source)


class RowColumn(NamedTuple):
    """A column of a statement's table whose context names the row."""

    column: Any
    template: ContextTemplate


Place = Literal["values", "rows", "select", "conflict"]
"""Where a statement writes a column: in values(), in values() of several rows, from a SELECT, or on a conflict."""

Written = tuple[ColumnElement[Any], object, Place]
"""A column that a statement writes, its value, and where."""


# Reading


class _CellInRow(FunctionElement[Any]):
    """A cell with the columns of its row in front of it, as ``row_of_cell`` reads it. NULL if the cell is NULL."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], template: ContextTemplate, *clauses: ColumnElement[Any]) -> None:
        super().__init__(*clauses)
        self.template = template
        self.type = column.type  # it decrypts what the statement returns


@compiles(_CellInRow)
def _compile(element: _CellInRow, compiler: SQLCompiler, **options: Any) -> str:
    if compiler.dialect.name not in ("postgresql", "default"):  # default: SQLAlchemy writes a statement as a text
        raise _needs_postgresql(element.template, compiler.dialect.name)
    cell, *keys = (compiler.process(clause, **options) for clause in element.clauses)
    spelled = [f"convert_to(coalesce('=' || CAST({key} AS text), ''), 'UTF8') || '\\x00'::bytea" for key in keys]
    return " || ".join([f"convert_to('{MARK}', 'UTF8')", *spelled, cell])


def _needs_postgresql(template: ContextTemplate, dialect: str) -> EncryptedColumnError:
    advice = f"This is {dialect}: give the column a context of its own, such as patients:notes."
    return row_not_shown(template, "only in PostgreSQL is a cell selected with its", template.columns, advice)


def cell_in_row(column: ColumnElement[Any], template: ContextTemplate, is_bytea: bool) -> ColumnElement[Any]:
    """What a statement selects in place of the column. Raises ``INVALID_COLUMN`` if it does not show the row."""
    while isinstance(column, Label):
        column = column.element
    table = getattr(column, "table", None)
    advice = "Select the column itself." if table is None else "Select it in the subquery, too."
    origin = next(iter(column.base_columns), None)
    keys = []
    for name in template.columns:
        key = _column_named(name, origin.table) if isinstance(origin, Column) else None
        found = None if key is None or table is None else table.corresponding_column(key)
        if key is None or found is None:
            raise row_not_shown(template, "what is selected from has no", [name], advice)
        _require_spelling(key, template)
        keys.append(found)
    cell = column if is_bytea else func.convert_to(func.cast(column, String), "UTF8")
    return _CellInRow(column, template, cell, *keys)


def _column_named(name: str, table: Any) -> Column[Any] | None:
    return next((column for column in table.c if column.name == name), None)


def _require_spelling(key: Column[Any], template: ContextTemplate) -> None:
    """Refuses types that PostgreSQL may spell differently from Python, such as numeric(10, 2) or char(5)."""
    is_text = isinstance(key.type, String) and not isinstance(key.type, (Enum, CHAR))
    if not (is_text or isinstance(key.type, (Integer, Uuid))):
        raise row_not_shown(
            template,
            f"{type(key.type).__name__} has other spellings than a text, an integer or a UUID, in",
            [key.name],
            "Name a column of such a type.",
        )


# Writing


def bound_to_rows(
    connection: Connection,
    statement: Insert | Update,
    columns: list[RowColumn],
    values: Mapping[Any, object],
    rows: list[dict[str, Any]],
    options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The parameters with ``InRow`` in place of each value of ``columns``.

    ``values``: what the statement itself writes, by the column's key. ``rows``: the parameters, one for each execution.
    Generates keys that PostgreSQL would generate, because the context needs them before the INSERT.
    """
    schema_of = options.get("schema_translate_map") or connection.get_execution_options().get("schema_translate_map")
    for column, template in columns:
        if connection.dialect.name != "postgresql":
            raise _needs_postgresql(template, connection.dialect.name)
        keys = [_key_of(template, name, statement) for name in template.columns]
        if isinstance(statement, Update):
            _refuse_moved_rows(column, template, keys, values, rows)
        writing = [row for row in rows if _value_of(column, values, row)[1] is not None]
        ignoring_case = [key.name for key in keys if isinstance(key.type, CITEXT)]
        if writing and ignoring_case:
            raise row_not_shown(template, IGNORES_CASE, ignoring_case, "Name a column of another type.")
        if isinstance(statement, Insert) and writing:
            for key in keys:
                _generate(connection, key, values, rows, schema_of)
        for row in writing:
            name, value = _value_of(column, values, row)
            if isinstance(value, InRow):
                raise row_not_shown(template, "one parameter is written to several columns:", [name], "Give each one.")
            where = _where_values(statement, row) if isinstance(statement, Update) else {}
            texts = []
            for key in keys:
                is_written = key.key in row or key.key in values
                text = _spelled(key, _value_of(key, values, row)[1] if is_written else where.get(key.key))
                if text is None:
                    raise row_not_shown(template, "the statement does not show", [key.name], SHOW_THE_ROW)
                texts.append(text)
            row[name] = InRow(value, template.to_write(texts))
    return rows


def _key_of(template: ContextTemplate, name: str, statement: Insert | Update) -> Any:
    key = _column_named(name, statement.table)
    if key is None:
        raise row_not_shown(template, f"the table {statement.table} has no column", [name], "Correct the context.")
    _require_spelling(key, template)
    return key


def _value_of(column: Any, values: Mapping[Any, object], row: Parameters) -> tuple[str, object]:
    """The name of the parameter that is written to a column, and its value; None for NULL and for an expression."""
    if column.key in row:
        return column.key, row[column.key]
    written = values.get(column.key)
    if isinstance(written, BindParameter):
        return (written.key, row[written.key]) if written.key in row else (column.key, written.effective_value)
    return column.key, None if isinstance(written, ColumnElement) or hasattr(written, "__clause_element__") else written


def _spelled(key: Column[Any], value: object) -> str | None:
    """A value as PostgreSQL spells it in a column; None for one that it would convert."""
    if isinstance(key.type, Uuid):
        return spelled_uuid(value)
    return str(value) if type(value) is (int if isinstance(key.type, Integer) else str) else None


def _where_values(statement: Update, row: Parameters) -> dict[Any, object]:
    """The columns of the table that must equal a value, by key."""
    found: dict[Any, object] = {}
    conditions: list[Any] = list(statement._where_criteria)
    while conditions:
        condition = conditions.pop()
        if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
            conditions.extend(condition.clauses)
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            column, value = condition.left, condition.right
            # SQLAlchemy's annotated copy of a column has the hash of the column.
            is_own = isinstance(column, ColumnClause) and hash(statement.table.c.get(column.key)) == hash(column)
            if is_own and isinstance(value, BindParameter):
                found[column.key] = row.get(value.key, value.effective_value)
    return found


def refuse_moves(
    statement: Insert | Update, columns: Sequence[RowColumn], written: Sequence[Written], is_nested: bool
) -> None:
    """Refuses a key that is written where no value can be encrypted for it: on a conflict, and in a CTE."""
    clause = getattr(statement, "_post_values_clause", None)
    target = [getattr(name, "name", name) for name in getattr(clause, "inferred_target_elements", None) or ()]
    for key, value, place in written:
        names = [template for _, template in columns if key.name in template.columns]
        is_moved = place == "conflict" or (is_nested and isinstance(statement, Update))
        is_same = place == "conflict" and key.name in target and _is_column(value, key.name)
        if names and is_moved and not is_same:
            where = "a conflict writes" if place == "conflict" else "the UPDATE in a CTE writes"
            raise row_not_shown(names[0], where, [key.name], "Write it in an UPDATE of its own, with the cell.")


def _is_column(value: Any, name: str) -> bool:
    found = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    return isinstance(found, ColumnClause) and found.name == name


def _refuse_moved_rows(
    column: Any, template: ContextTemplate, keys: list[Any], values: Mapping[Any, object], rows: list[dict[str, Any]]
) -> None:
    """A cell opens only under the key that its row had when it was written."""
    moved = [key.name for key in keys if any(key.key in row or key.key in values for row in rows)]
    copied = values.get(column.key)
    if hasattr(copied, "__clause_element__"):
        copied = copied.__clause_element__()
    is_copy = isinstance(copied, ColumnElement) and not isinstance(copied, (BindParameter, Null))
    if moved and (is_copy or any(column.key not in row and column.key not in values for row in rows)):
        advice = f"Write {column.name} in the same statement (in a session, flag_modified marks it as changed)."
        raise row_not_shown(template, f"the statement writes, without {column.name},", moved, advice)


def _generate(
    connection: Connection,
    key: Any,
    values: Mapping[Any, object],
    rows: list[dict[str, Any]],
    schema_of: Mapping[str | None, str | None] | None,
) -> None:
    """Gives each row without a key the one that its default would give it."""
    lacking = [] if key.key in values else [row for row in rows if row.get(key.key) is None]
    default = key.default
    if not lacking:
        return
    if isinstance(default, DatabaseSequence):
        call: Any = default.next_value()
    elif default is not None and (default.is_callable or default.is_scalar):
        for row in lacking:
            row[key.key] = default.arg(None) if default.is_callable else default.arg
        return
    elif key is key.table.autoincrement_column and not (key.identity is not None and key.identity.always):
        preparer, schema = connection.dialect.identifier_preparer, key.table.schema
        schema = (schema_of or {}).get(schema, schema)
        table = preparer.quote(key.table.name)
        table = table if schema is None else f"{preparer.quote_schema(schema)}.{table}"
        call = func.nextval(func.pg_get_serial_sequence(table, key.name))
    else:
        return
    numbers = select(call).select_from(func.generate_series(1, len(lacking)))
    generated = connection.execute(numbers, execution_options={"schema_translate_map": schema_of}).scalars()
    for row, value in zip(lacking, generated, strict=True):
        row[key.key] = value
