"""Column types for SQLAlchemy 2: encrypted in the database, plain values in the program.

``pip install 'pazpaz-keys[sqlalchemy]'``::

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))
        address: Mapped[dict | None] = mapped_column(EncryptedJson("patients:address", storage="jsonb"))

They work in a ``Session`` and in an ``AsyncSession``, with every driver. NULL stays NULL. The context belongs to the
column: a type does not see the row that it writes, so a cell can be copied to another row of its column unnoticed.
"""

from typing import Any, Generic, NoReturn, TypeVar

from sqlalchemy import JSON as JSON_COLUMN
from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DontWrapMixin, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnElement, Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from .encrypted_cell import BYTES, JSON, TEXT, EncryptedCell, Storage, ValueKind
from .errors import KeyRotationError
from .process_ring import RingSource, shared_ring

__all__ = ["EncryptedBytes", "EncryptedColumnError", "EncryptedJson", "EncryptedText"]

V = TypeVar("V")


class EncryptedColumnError(KeyRotationError, DontWrapMixin):
    """A ``KeyRotationError`` of a column. SQLAlchemy does not wrap it: its own message would show the values."""


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


def _refusal(column: ColumnElement[Any], op: OperatorType) -> InvalidRequestError:
    return InvalidRequestError(
        f"{column} is encrypted, so the database can neither compare nor sort its values "
        f"({getattr(op, '__name__', op)}). Only IS NULL and IS NOT NULL work. To look rows up by a value, store "
        "an HMAC of it in a column of its own."
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
        """``context`` says where the values belong, such as ``patients:notes``. It must never change.

        - ``storage``: the column's type in the database, ``bytea``, ``text``, ``json`` or ``jsonb``.
        - ``member``: writes a JSON object with the ciphertext as this member. Default: a JSON string.
        - ``ring``: a ring, or a function that returns one; default: the ring of the process, opened on first use.
        """
        super().__init__()  # SQLAlchemy's cache distinguishes types by their parameters, unless keyword-only
        self._cell: EncryptedCell[V] = EncryptedCell(self._kind, context, storage, member, ring)
        self.impl = self.impl_instance = _column_type(storage)  # type: ignore[assignment]
        self.context = context
        self.storage = storage
        self.member = member
        self.ring = ring

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        if value is None:
            return None
        try:
            return self._cell.encrypted(value)
        except KeyRotationError as error:
            value, failed = None, self._failed(error)
        raise failed

    def process_result_value(self, value: Any, dialect: Dialect) -> V | None:  # noqa: ARG002
        if value is None:
            return None
        try:
            return self._cell.decrypted(value)
        except KeyRotationError as error:
            failed = self._failed(error)
        raise failed

    def literal_processor(self, dialect: Dialect) -> NoReturn:  # noqa: ARG002
        # Not in process_literal_param: SQLAlchemy writes the value into the message of an error from there.
        raise InvalidRequestError(
            f"A value of the encrypted column {self.context} is not written into the text of a statement. "
            "Leave literal_binds out."
        )

    @property
    def comparator_factory(self) -> type[TypeEngine.Comparator[Any]]:  # type: ignore[override]
        return _Comparator

    def __repr__(self) -> str:
        """For Alembic, which writes it into migrations. The ring does not matter there."""
        storage = "" if self.storage == "bytea" else f", storage={self.storage!r}"
        member = "" if self.member is None else f", member={self.member!r}"
        return f"{type(self).__name__}({self.context!r}{storage}{member})"

    def _failed(self, error: KeyRotationError) -> EncryptedColumnError:
        return EncryptedColumnError(error.code, f"Column {self.context}: {error}")


class EncryptedText(_Encrypted[str]):
    """A text. Reads older data of the column in every form, too."""

    cache_ok = True
    _kind = TEXT


class EncryptedBytes(_Encrypted[bytes]):
    """Bytes. Reads older data of the column in every form, too."""

    cache_ok = True
    _kind = BYTES


class EncryptedJson(_Encrypted[Any]):
    """A value that JSON can hold; None is NULL. A change within the value counts only with ``MutableDict.as_mutable``.

    Reads older data of the column in every form, too.
    """

    cache_ok = True
    _kind = JSON


def _column_type(storage: Storage) -> TypeEngine[Any]:
    if storage == "bytea":
        return LargeBinary()
    if storage == "text":
        return Text()
    json_column = JSON_COLUMN(none_as_null=True)
    return json_column if storage == "json" else json_column.with_variant(JSONB(none_as_null=True), "postgresql")
