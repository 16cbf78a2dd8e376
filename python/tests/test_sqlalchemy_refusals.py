"""What pazpaz_keys.sqlalchemy refuses, and how its types and errors are copied."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Engine,
    Text,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import DBAPIError, InvalidRequestError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from sqlalchemy.types import TypeEngine

from pazpaz_keys import KeyRing, KeyRotationError
from pazpaz_keys.sqlalchemy import EncryptedBytes, EncryptedColumnError, EncryptedJson, EncryptedText
from postgres import Postgres
from sqlalchemy_patients import FULL, Base, Patient
from sqlalchemy_sessions import SECRET, code_of, database_with, emptied_engine


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def engine(uri: str) -> Iterator[Engine]:
    yield from emptied_engine(uri, Base)


def test_null_can_be_asked_for_and_nothing_else(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add_all([Patient(name="null"), Patient(name="full", **FULL)])
        session.commit()
        for is_null in (Patient.notes.is_(None), Patient.notes == None, Patient.card == null(), Patient.plan.is_(None)):  # noqa: E711
            assert session.scalars(select(Patient.name).where(is_null)).all() == ["null"]
        assert session.scalars(select(Patient.name).where(Patient.card.is_not(None))).all() == ["full"]
        assert session.scalars(select(Patient.name).where(Patient.card != None)).all() == ["full"]  # noqa: E711
    other = aliased(Patient)
    refused: list[Callable[[], object]] = [
        lambda: Patient.notes == SECRET,
        lambda: Patient.notes == SECRET,
        lambda: Patient.notes != SECRET,
        lambda: str(Patient.notes == Patient.address),
        lambda: str(select(Patient).join(other, other.notes == Patient.notes)),
        lambda: Patient.notes.in_([SECRET]),
        lambda: Patient.notes.like("%"),
        lambda: Patient.notes.ilike("%"),
        lambda: Patient.notes.contains("x"),
        lambda: Patient.notes < "x",
        lambda: Patient.notes.between("a", "b"),
        lambda: Patient.notes.desc(),
        lambda: Patient.notes.distinct(),
        lambda: Patient.notes + "x",
        lambda: "x" + Patient.notes,
        lambda: Patient.card["number"],
        lambda: Patient.notes.is_distinct_from("x"),
        lambda: Patient.notes.regexp_match("x"),
        lambda: select(Patient).filter_by(notes=SECRET),
    ]
    for act in refused:
        with pytest.raises(InvalidRequestError, match="so the database can neither compare nor sort") as it:
            act()
        error = it.value
        assert isinstance(error, EncryptedColumnError)
        assert error.code == "INVALID_COLUMN"
        assert error.context.startswith("patients:")
        assert "sqlalche.me" not in str(error)


REFUSED: list[Callable[[], Any]] = [
    lambda: update(Patient).values(address=Patient.name),
    lambda: update(Patient).values(address=literal(SECRET)),
    lambda: update(Patient).values(address=literal(SECRET, Text())),
    lambda: update(Patient).values({Patient.address: func.upper(Patient.name)}),
    lambda: update(Patient).values({"address": text("'plain'")}),
    lambda: update(Patient).values(address=Patient.notes),
    lambda: update(Patient).values(address=func.upper(Patient.address)),
    lambda: update(Patient).values(address=case((Patient.id > 0, literal_column("'plain'")), else_=null())),
    lambda: update(Patient).values(address=select(Patient.name).scalar_subquery()),
    lambda: update(Patient).ordered_values((Patient.address, Patient.name)),
    lambda: insert(Patient).values(address=literal_column("'plain'")),
    lambda: insert(Patient).values([{"address": "ours"}, {"address": literal_column("'plain'")}]),
    lambda: insert(Patient).from_select(["address"], select(Patient.name)),
    lambda: insert(Patient.__table__).values({"address": literal_column("'plain'")}),  # type: ignore[arg-type]
    lambda: (
        postgres_insert(Patient)
        .values(id=1, address="ours")
        .on_conflict_do_update(index_elements=["id"], set_={"address": literal_column("'plain'")})
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_an_expression_of_the_database_is_not_stored_because_it_would_not_be_encrypted(
    ring: KeyRing,  # noqa: ARG001
    engine: Engine,
    number: int,
) -> None:
    with Session(engine) as session, pytest.raises(InvalidRequestError, match="takes values, not SQL expressions"):
        session.execute(REFUSED[number](), execution_options={"synchronize_session": False})


def test_an_attribute_that_is_set_to_an_expression_is_refused_too(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add(Patient(**FULL))
        session.commit()
        session.scalars(select(Patient)).one().address = func.upper("plain")
        with pytest.raises(InvalidRequestError, match="takes values, not SQL expressions"):
            session.flush()


def test_a_cell_may_be_copied_within_its_context(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add(Patient(name="a", **FULL))
        session.commit()
        copied = insert(Patient).from_select(["name", "notes"], select(literal("b"), Patient.notes))
        session.execute(copied)
        session.execute(update(Patient).values(notes=Patient.notes, address=bindparam("new")), {"new": "by name"})
        session.execute(update(Patient).values(card=null(), plan=None))
        found = session.execute(select(Patient.notes, Patient.address, Patient.card, Patient.plan)).all()
        assert [tuple(row) for row in found] == [(SECRET, "by name", None, None)] * 2


def test_a_value_of_another_type_is_refused_without_being_shown(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    wrong: list[dict[str, Any]] = [
        {"notes": b"bytes"},
        {"notes": 7},
        {"scan": "text"},
        {"card": {"a": float("nan")}},
        {"card": {1, 2}},
        {"card": {("a",): SECRET}},
        {"card": JSON.NULL},  # an integer, to json
        {"notes": "half \ud83d", "address": SECRET},
    ]
    for values in wrong:
        with Session(engine) as session:
            session.add(Patient(**values))
            assert code_of(session.flush) == "INVALID_TEXT"


def test_the_error_of_a_failed_statement_shows_no_value(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add(Patient(id=2**40, notes=SECRET))
        with pytest.raises(DBAPIError) as error:
            session.flush()
    assert SECRET not in str(error.value)


def test_a_value_is_not_written_into_the_text_of_a_statement(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    statement = insert(Patient).values(notes=SECRET)
    with pytest.raises(InvalidRequestError, match="Leave literal_binds out") as error:
        statement.compile(engine, compile_kwargs={"literal_binds": True})
    assert SECRET not in str(error.value)


def test_columns_of_other_contexts_storages_or_rings_share_no_cached_statement() -> None:
    types: list[TypeEngine[Any]] = [
        EncryptedText("a"),
        EncryptedText("b"),
        EncryptedBytes("a"),
        EncryptedText("a", storage="text"),
        EncryptedText("a", storage="jsonb"),
        EncryptedText("a", storage="jsonb", member="data"),
        EncryptedText("a", ring=lambda: pytest.fail("not opened")),
    ]
    assert len({column._static_cache_key for column in types}) == len(types)
    assert EncryptedText("a")._static_cache_key == types[0]._static_cache_key


def test_a_type_writes_itself_into_a_migration_of_alembic() -> None:
    for column in (EncryptedText("a"), EncryptedJson("a", storage="jsonb", member="data")):
        copy = eval(repr(column))  # noqa: S307
        assert copy._static_cache_key == column._static_cache_key


def test_a_misspelt_column_is_refused() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: EncryptedText(""),
        lambda: EncryptedText("a", storage="blob"),  # type: ignore[arg-type]
        lambda: EncryptedText("a", storage="text", member="data"),
    ]
    for act in wrong:
        with pytest.raises(KeyRotationError) as error:
            act()
        assert error.value.code == "INVALID_SETTINGS"


def test_an_error_passes_through_a_process_pool() -> None:
    failed = EncryptedColumnError("KEY_UNAVAILABLE", "Column a: …", "a")
    for error in (pickle.loads(pickle.dumps(failed)), failed.without_traceback()):  # noqa: S301
        assert (type(error), error.code, str(error)) == (EncryptedColumnError, "KEY_UNAVAILABLE", "Column a: …")
        assert error.context == "a"


def test_one_parameter_is_not_written_to_a_column_with_a_row_and_to_one_without(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    class OtherBase(DeclarativeBase):
        pass

    class Both(OtherBase):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("patients:{id}:notes"))
        name: Mapped[str | None] = mapped_column(EncryptedText("patients:name", storage="text"))

    with Session(engine) as session:
        write = update(Both).where(Both.id == 1).values(notes=bindparam("x"), name=bindparam("x"))
        with pytest.raises(EncryptedColumnError, match="Give each column its own") as error:
            session.connection().execute(write, {"x": SECRET})
    assert error.value.code == "INVALID_COLUMN"


def test_nothing_is_written_under_a_key_that_ignores_case(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    class OtherBase(DeclarativeBase):
        pass

    class Named(OtherBase):
        __tablename__ = "named"
        id: Mapped[str] = mapped_column(CITEXT, primary_key=True)
        name: Mapped[str | None]
        notes: Mapped[str | None] = mapped_column(EncryptedText("named:{id}"))

    with Session(engine) as session:
        writes: list[Any] = [insert(Named).values(id="ABC"), update(Named).where(Named.id == "ABC")]
        for write in writes:
            with pytest.raises(EncryptedColumnError, match="citext"):
                session.execute(write.values(notes=SECRET))
        for harmless in (update(Named).values(name="x"), update(Named).values(notes=None)):
            with pytest.raises(ProgrammingError, match='"named" does not exist'), session.begin_nested():
                session.execute(harmless)
    assert "AS notes" in str(select(Named))
