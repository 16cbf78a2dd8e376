"""What an encrypted field of Django refuses in a query."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldError
from django.db.models.expressions import Case, When
from django.db.models.functions import Cast
from django.db.models.lookups import Exact

from .errors import EncryptedColumnError


class RefusedFieldError(EncryptedColumnError, FieldError):
    """``INVALID_COLUMN``, which is also the error that Django raises for a field that a query cannot use."""


class Refused(Exact):  # type: ignore[type-arg]
    """Equal values have different ciphertexts, so no lookup but ``isnull`` ever matches."""

    def get_prep_lookup(self) -> Any:
        raise RefusedFieldError(
            "INVALID_COLUMN",
            f"{self.lhs.output_field.name} is encrypted, so the database can neither compare nor search its values. "
            "Only isnull works. To look rows up by a value, store an HMAC of it in a field of its own.",
            self.lhs.output_field.context,
        )


class NullOrRefused(Refused):
    """``exact`` with None, which Django then makes ``isnull``."""

    def get_prep_lookup(self) -> Any:
        return None if self.rhs is None else super().get_prep_lookup()


def results_of(expression: Any) -> Iterator[Any]:
    """The expressions whose values ``expression`` can have. ``bulk_update`` makes a ``Case`` of the rows' values."""
    if isinstance(expression, Case):
        for case in expression.cases:
            yield from results_of(case)
        yield from results_of(expression.default)
    elif isinstance(expression, When):
        yield from results_of(expression.result)
    elif isinstance(expression, Cast):
        for source in expression.get_source_expressions():
            yield from results_of(source)
    else:
        yield expression
