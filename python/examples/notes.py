"""A SQLAlchemy column that is encrypted in the database and a plain text in the program.

    ring = KeyRing.open()
    engine = create_engine("postgresql+psycopg://…")
    patients = patients_table(ring)

The column's context is fixed, so a row's value opens in this column alone, but in every row of it: a column type does
not see the row that it writes. Where rows must not be exchangeable either, call ``ring.encrypt_field`` with the row's
key in the context and keep the column a plain ``LargeBinary``.
"""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from pazpaz_keys import KeyRing


class EncryptedText(TypeDecorator[str]):
    """Text, stored as an encrypted ``bytea``. NULL stays NULL. It can be neither searched nor sorted by."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, ring: KeyRing, context: str) -> None:
        super().__init__()
        self.ring = ring
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else self.ring.encrypt_field(value, self.context)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else self.ring.decrypt_field(value, self.context)


def patients_table(ring: KeyRing) -> Table:
    return Table(
        "patients",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("notes", EncryptedText(ring, "patients:notes")),
    )
