"""An application may extend a column type: before a value is encrypted, and after it is decrypted."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from pazpaz_keys import KeyRing
from pazpaz_keys.sqlalchemy import EncryptedColumnError, EncryptedText
from postgres import Postgres
from sqlalchemy_sessions import database_with, emptied_engine


class Phone(EncryptedText):
    """Stores ``5551``, shows ``+5551``. An empty text is NULL."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return super().process_bind_param(value.strip("+ ") or None, dialect)

    def process_result_value(self, value: Any, dialect: Any) -> str | None:
        found = super().process_result_value(value, dialect)
        return None if found is None else f"+{found}"


class Wrapped(TypeDecorator[str]):
    impl = EncryptedText
    cache_ok = True


class Base(DeclarativeBase):
    pass


class Caller(Base):
    __tablename__ = "callers"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str | None] = mapped_column(Phone("callers:phone"))
    bound: Mapped[str | None] = mapped_column(Phone("callers:{id}:phone", storage="text"))
    wrapped: Mapped[str | None] = mapped_column(Wrapped("callers:wrapped"))
    variant: Mapped[bytes | None] = mapped_column(LargeBinary().with_variant(EncryptedText("callers:v"), "postgresql"))


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def engine(uri: str) -> Iterator[Engine]:
    yield from emptied_engine(uri, Base)


def test_a_type_of_sqlalchemy_can_be_extended(ring: KeyRing, engine: Engine) -> None:
    with Session(engine) as session:
        session.add_all([Caller(phone=" 5551", bound="5552", wrapped="5553"), Caller(phone="+", bound="+")])
        session.commit()
        read = session.execute(select(Caller.phone, Caller.bound, Caller.wrapped).order_by(Caller.id)).all()
        assert [tuple(row) for row in read] == [("+5551", "+5552", "5553"), (None, None, None)]
        cell = session.connection().exec_driver_sql("SELECT phone FROM callers WHERE phone IS NOT NULL").scalar_one()
        assert ring.decrypt_field(bytes(cell), "callers:phone") == "5551"


def test_an_expression_is_refused_for_a_type_that_is_made_of_an_encrypted_one(engine: Engine) -> None:
    for name in ("wrapped", "variant"):
        with Session(engine) as session, pytest.raises(EncryptedColumnError, match="takes values, not SQL expressions"):
            session.execute(update(Caller).values({name: func.lower("Secret")}))


def test_a_field_of_django_can_be_extended(migrations: object, ring: KeyRing) -> None:  # noqa: ARG001
    from django.db import connection, models

    from pazpaz_keys.django import EncryptedTextField

    class PhoneField(EncryptedTextField):
        def get_prep_value(self, value: Any) -> Any:
            return None if value is None else value.strip("+ ") or None

        def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
            found = super().from_db_value(value, expression, connection)
            return None if found is None else f"+{found}"

    class DjangoCaller(models.Model):
        phone = PhoneField(context="callers:phone", null=True)
        bound = PhoneField(context="callers:{id}:phone", storage="text", null=True)

        class Meta:
            app_label = "callers"
            managed = False

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE callers_djangocaller (id bigserial PRIMARY KEY, phone bytea, bound text)")
    for phone, bound in ((" 5551", "+5552"), ("+", "+"), (None, None)):
        DjangoCaller.objects.create(phone=phone, bound=bound)
    read = DjangoCaller.objects.order_by("id").values_list("phone", "bound")
    assert list(read) == [("+5551", "+5552"), (None, None), (None, None)]
