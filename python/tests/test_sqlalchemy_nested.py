"""Writes that pazpaz_keys.sqlalchemy has to look for: in CTEs, in defaults, in arrays, and moved keys."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    Computed,
    Engine,
    FetchedValue,
    Integer,
    MetaData,
    Sequence,
    Table,
    cast,
    delete,
    func,
    insert,
    lambda_stmt,
    literal_column,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, registry
from sqlalchemy.schema import CreateSchema

from pazpaz_keys import KeyRing
from pazpaz_keys.sqlalchemy import EncryptedColumnError, EncryptedText
from postgres import Postgres
from sqlalchemy_sessions import SECRET, database_with, emptied_engine


class Base(DeclarativeBase):
    pass


class Card(Base):
    __tablename__ = "cards"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    notes: Mapped[str | None] = mapped_column(EncryptedText("cards:notes"))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(EncryptedText("cards:tags", storage="text")))


class Numbered(Base):
    __tablename__ = "numbered"

    id: Mapped[int] = mapped_column(Sequence("numbers"), primary_key=True)
    notes: Mapped[str] = mapped_column(EncryptedText("numbered:{id}"))


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:{id}:notes"))


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def engine(uri: str, ring: KeyRing) -> Iterator[Engine]:  # noqa: ARG001
    yield from emptied_engine(uri, Base)


CLEAR: Any = literal_column("'in clear'::bytea")


def in_cte(write: Any) -> Any:
    cte = write.returning(write.table.c.id).cte()
    return select(cte.c.id)


def added(write: Any) -> Any:
    return select(func.count()).select_from(Card).add_cte(write.cte())


def upsert() -> Any:
    return postgres_insert(Patient).values(id=2, email="e", notes="two")


EXPRESSIONS: list[Callable[[], Any]] = [
    lambda: in_cte(insert(Card).values(id=5, notes=CLEAR)),
    lambda: in_cte(update(Card).values(notes=CLEAR)),
    lambda: in_cte(insert(Card).from_select(["notes"], select(CLEAR))),
    lambda: in_cte(
        postgres_insert(Card).values(id=1).on_conflict_do_update(index_elements=["id"], set_={"notes": CLEAR})
    ),
    lambda: added(update(Card).values(notes=CLEAR)),
    lambda: delete(Card).where(Card.id.in_(in_cte(update(Card).values(notes=CLEAR)))),
    lambda: insert(Card).from_select(["id"], in_cte(update(Card).values(notes=CLEAR))),
    lambda: select(in_cte(update(Card).values(notes=CLEAR)).subquery()),
    lambda: lambda_stmt(lambda: update(Card).values(notes=CLEAR)),
    lambda: update(Card).values(tags=func.array_append(Card.tags, "clear")),
    lambda: update(Card).values(tags=Card.name),
]


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_an_expression_is_refused_wherever_a_statement_writes_it(engine: Engine, number: int) -> None:
    with Session(engine) as session:
        session.add(Card(id=1, notes=SECRET, tags=["a"]))
        session.commit()
        with pytest.raises(EncryptedColumnError, match="takes values, not SQL expressions") as error:
            session.execute(EXPRESSIONS[number](), execution_options={"synchronize_session": False})
        assert error.value.code == "INVALID_COLUMN"
        assert session.scalars(select(Card.notes)).all() == [SECRET]


def test_a_compiled_statement_is_looked_into_too(engine: Engine) -> None:
    compiled: Any = update(Card.__table__).values(notes=CLEAR).compile(engine)  # type: ignore[arg-type]
    with engine.connect() as connection, pytest.raises((EncryptedColumnError, ObjectNotExecutableError)):
        connection.execute(compiled)  # SQLAlchemy 2.1 executes none


def test_values_in_a_cte_and_in_an_array_are_encrypted(engine: Engine, ring: KeyRing) -> None:
    with Session(engine) as session:
        session.execute(in_cte(insert(Card).values(id=5, notes=SECRET, tags=["a", "b"])))
        session.execute(update(Card).values(tags=Card.tags))
        assert session.execute(select(Card.notes, Card.tags)).one() == (SECRET, ["a", "b"])
        (cell,) = session.execute(text("SELECT notes FROM cards")).scalars()
        assert ring.decrypt_field(bytes(cell), "cards:notes") == SECRET
        session.execute(update(Card).values(tags=null(), notes=None))
        assert session.execute(select(Card.notes, Card.tags)).one() == (None, None)


DEFAULTS: list[dict[str, Any]] = [
    {"default": func.upper("clear")},
    {"default": select(literal_column("'clear'")).scalar_subquery()},
    {"onupdate": func.upper("clear")},
    {"server_default": "clear"},
    {"server_default": text("'clear'")},
]


@pytest.mark.parametrize("number", range(len(DEFAULTS)))
def test_a_default_that_the_database_computes_is_refused_when_the_table_is_made(number: int) -> None:
    for column_type in (EncryptedText("a"), ARRAY(EncryptedText("a"))):
        with pytest.raises(EncryptedColumnError, match="the database cannot encrypt") as error:
            Table("a", MetaData(), Column("id", Integer), Column("notes", column_type, **DEFAULTS[number]))
        assert error.value.code == "INVALID_COLUMN"
    notes = mapped_column(EncryptedText("a"), **DEFAULTS[number])
    columns = {"id": mapped_column(Integer, primary_key=True), "notes": notes}
    with pytest.raises(EncryptedColumnError, match="the database cannot encrypt"):
        type("Wrong", (registry().generate_base(),), {"__tablename__": "wrong", **columns})


def test_a_generated_column_is_refused_and_a_default_of_the_program_is_not() -> None:
    with pytest.raises(EncryptedColumnError, match="the database cannot encrypt"):
        Table("a", MetaData(), Column("notes", EncryptedText("a"), Computed("upper(name)")))
    for accepted in ({"default": "a", "onupdate": lambda: "b"}, {"server_default": FetchedValue()}, {"default": None}):
        Table("a", MetaData(), Column("notes", EncryptedText("a"), **accepted))


MOVES: list[Callable[[], Any]] = [
    lambda: update(Patient).where(Patient.id == 1).values(id=Patient.id + 100, notes="moved"),
    lambda: update(Patient).where(Patient.id == 1).values(id=cast(5, Integer), notes="moved"),
    lambda: update(Patient).where(Patient.id == 1).values(id=5, notes=Patient.notes),
    lambda: update(Patient).where(Patient.id == 1).values(id=5),
    lambda: upsert().on_conflict_do_update(index_elements=["email"], set_={"id": upsert().excluded.id}),
    lambda: (st := upsert()).on_conflict_do_update(index_elements=["id"], set_={"id": 77, "notes": st.excluded.notes}),
    lambda: (st := upsert()).on_conflict_do_update(index_elements=["id"], set_={"id": st.excluded.id + 1}),
    lambda: (st := upsert()).on_conflict_do_update(
        index_elements=["id"], set_={"id": (st.excluded.id + 1).label("id")}
    ),
    lambda: in_cte(update(Patient).where(Patient.id == 1).values(id=50)),
    lambda: in_cte(upsert().values(notes=None).on_conflict_do_update(index_elements=["email"], set_={"id": 9})),
]


@pytest.mark.parametrize("number", range(len(MOVES)))
def test_a_write_that_moves_a_row_without_its_cell_is_refused(engine: Engine, number: int) -> None:
    with Session(engine) as session:
        session.add(Patient(id=1, email="e", notes=SECRET))
        session.commit()
        with pytest.raises(EncryptedColumnError, match=r"names the row") as error:
            session.execute(MOVES[number](), execution_options={"synchronize_session": False})
        assert error.value.code == "INVALID_COLUMN"
        session.rollback()
        assert session.execute(select(Patient.id, Patient.notes)).all() == [(1, SECRET)]


def test_a_write_that_keeps_the_key_or_has_no_cell_is_not_refused(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(Patient(id=1, email="e", notes=SECRET))
        session.commit()
        row = postgres_insert(Patient).values(id=1, email="f", notes="two")
        set_ = {"id": row.excluded.id, "notes": row.excluded.notes}
        session.execute(row.on_conflict_do_update(index_elements=["id"], set_=set_))
        assert session.scalars(select(Patient.notes)).all() == ["two"]
        moved = update(Patient).where(Patient.id == 1).values(id=Patient.id + 1, notes=None)
        session.execute(moved, execution_options={"synchronize_session": False})
        session.execute(in_cte(update(Patient).where(Patient.id == 2).values(email="g")))
        assert session.execute(select(Patient.id, Patient.email, Patient.notes)).all() == [(2, "g", None)]


@pytest.mark.parametrize("is_of_engine", [True, False])
def test_a_number_comes_from_the_sequence_of_the_translated_schema(engine: Engine, is_of_engine: bool) -> None:
    schemas = {"schema_translate_map": {None: f"Tenant {is_of_engine}"}}
    tenant = engine.execution_options(**schemas)
    with tenant.begin() as connection:
        connection.execute(CreateSchema(f"Tenant {is_of_engine}"))
        Base.metadata.create_all(connection)
    with (tenant if is_of_engine else engine).begin() as connection:
        for table in (Patient, Numbered):
            rows = [{"notes": SECRET}, {"notes": SECRET}]
            connection.execute(insert(table), rows, execution_options={} if is_of_engine else schemas)
            found = connection.execute(select(table.id, table.notes), execution_options=schemas).all()
            assert found == [(1, SECRET), (2, SECRET)]
