"""Converts the rows of a Django query column by column."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from django.db.models.sql.compiler import SQLCompiler

_ROWS_AT_ONCE = 32
"""Enough for the speed, and little memory beside the 100 rows that Django fetches at once."""

Converters = dict[int, tuple[list[Callable[[Any, Any, Any], Any]], Any]]
"""By the place in the row: the converters of a column, and the expression that is selected there."""


def convert_by_columns(compiler: Any) -> None:
    """Lets a compiler convert many cells of a column one after the other, not the cells of one row.

    Django has no documented way to do so (docs/adr/0039-converting-django-rows-by-column.md). A compiler that does not
    convert as Django's own does is left alone.
    """
    if getattr(type(compiler), "apply_converters", None) is getattr(SQLCompiler, "apply_converters", compiler):
        compiler.apply_converters = partial(_by_columns, compiler.connection)


def _by_columns(connection: Any, rows: Iterable[Iterable[Any]], converters: Converters) -> Iterator[list[Any]]:
    remaining = iter(rows)
    columns = [(place, convert, selected) for place, (chain, selected) in converters.items() for convert in chain]
    while chunk := list(map(list, islice(remaining, _ROWS_AT_ONCE))):
        failure: Exception | None = None
        row = chunk[0]
        for place, convert, selected in columns:
            try:
                for row in chunk:
                    row[place] = convert(row[place], selected, connection)
            except Exception as error:
                failure = error
                del chunk[next(index for index, other in enumerate(chunk) if other is row) :]
        yield from chunk  # the rows before the first that fails
        if failure is not None:
            chunk, row = [], []  # error reporters may show local variables
            try:
                raise failure
            finally:
                del failure  # otherwise the error, its traceback and this frame would hold each other
