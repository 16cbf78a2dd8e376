"""pazpaz_keys.sqlalchemy against a real PostgreSQL, with each driver."""

import asyncio
import base64
import json
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    Engine,
    Text,
    bindparam,
    case,
    create_engine,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, load_only, mapped_column
from sqlalchemy.types import TypeEngine

from clocks import MovedClock
from older_data import older_cells
from pazpaz_keys import KeyRing, KeyRotationError, share_ring
from pazpaz_keys.sqlalchemy import EncryptedBytes, EncryptedColumnError, EncryptedJson, EncryptedText
from postgres import Postgres
from ring_words import until
from ring_world import KEYS, World

SECRET = "Patient has diabetes"


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {dict[str, Any]: EncryptedJson("patients:extra")}


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)  # PostgreSQL generates it
    name: Mapped[str | None]
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))
    address: Mapped[str | None] = mapped_column(EncryptedText("patients:address", storage="text"))
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes("patients:scan"))
    stamp: Mapped[bytes | None] = mapped_column(EncryptedBytes("patients:stamp", storage="text"))
    card: Mapped[Any] = mapped_column(EncryptedJson("patients:card", storage="jsonb", member="data"), nullable=True)
    plan: Mapped[Any] = mapped_column(EncryptedJson("patients:plan", storage="json"), nullable=True)
    label: Mapped[str | None] = mapped_column(EncryptedText("patients:label", storage="jsonb"))
    visits: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(EncryptedJson("patients:visits")))


FULL: dict[str, Any] = {
    "notes": SECRET,
    "address": "Größe 1,80 m 😀",
    "scan": bytes(range(256)),
    "stamp": b"",
    "card": {"number": "4111", "years": [2026, 2027.5, None, True]},
    "plan": ["a", {"b": ""}],
    "label": "",
    "visits": {"count": 1},
}

COLUMNS = {
    ("text", "bytea"): "notes",
    ("text", "text"): "address",
    ("text", "jsonb"): "label",
    ("bytes", "bytea"): "scan",
    ("bytes", "text"): "stamp",
    ("JSON", "bytea"): "visits",
    ("JSON", "json"): "plan",
    ("JSON", "jsonb"): "card",
}


@pytest.fixture
def ring(world: World[MovedClock]) -> Iterator[KeyRing]:
    ring = world.with_keys(KEYS[0]).open()
    ring.warm()
    share_ring(ring)
    yield ring
    share_ring(None)


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    uri = postgres.new_database()
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    engine.dispose()
    return uri


@pytest.fixture
def engine(uri: str) -> Iterator[Engine]:
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    with engine.begin() as connection:
        connection.execute(delete(Patient))
    engine.dispose()


Run = Callable[[Callable[[Session], None]], None]


@pytest.fixture(params=["psycopg", "psycopg, async", "asyncpg"])
def run(request: pytest.FixtureRequest, engine: Engine, uri: str) -> Run:
    """Runs a function with a session of each driver."""

    def sync(act: Callable[[Session], None]) -> None:
        with Session(engine) as session:
            act(session)

    def in_loop(act: Callable[[Session], None]) -> None:
        async def main() -> None:
            engine = create_async_engine(uri.replace("postgresql:", f"postgresql+{request.param.split(',')[0]}:"))
            try:
                async with AsyncSession(engine) as session:
                    await session.run_sync(act)
            finally:
                await engine.dispose()

        asyncio.run(main())

    return sync if request.param == "psycopg" else in_loop


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(EncryptedColumnError) as error:
        act()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    return error.value.code


def values_of(patient: Patient) -> dict[str, Any]:
    return {name: getattr(patient, name) for name in FULL}


def test_every_type_brings_back_its_value_and_the_database_sees_none_of_it(ring: KeyRing, run: Run) -> None:
    def act(session: Session) -> None:
        session.add_all([Patient(**FULL), Patient()])
        session.commit()
        full, empty = session.scalars(select(Patient).order_by(Patient.id)).all()
        assert values_of(full) == FULL
        assert set(values_of(empty).values()) == {None}
        raw = session.execute(text("SELECT * FROM patients ORDER BY id")).mappings().all()
        assert set({**raw[1], "id": None}.values()) == {None}
        assert bytes(raw[0]["notes"])[0] == 1
        assert isinstance(raw[0]["label"], str)
        assert list(raw[0]["card"]) == ["data"]
        row = base64.b64decode(raw[0]["card"]["data"])
        assert json.loads(ring.decrypt_field(row, "patients:card")) == FULL["card"]
        types = "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns"
        found = session.execute(text(f"{types} WHERE table_name = 'patients'")).scalar_one()
        assert found == "integer,character varying,bytea,text,bytea,text,jsonb,json,jsonb,bytea"

    run(act)


def test_rows_of_before_stay_readable_over_rotations_and_a_rewrite_brings_them_to_the_current_key(
    ring: KeyRing, world: World[MovedClock], run: Run
) -> None:
    def act(session: Session) -> None:
        session.add(Patient(**FULL))
        session.commit()
        for key in KEYS[1:4]:
            world.secret.rotate(key)
            ring.refresh()
            session.add(Patient(**FULL))
            session.commit()
        session.expire_all()
        patients = session.scalars(select(Patient).order_by(Patient.id)).all()
        assert [values_of(patient) for patient in patients] == [FULL] * 4
        first = text("SELECT get_byte(notes, 0) FROM patients ORDER BY id")
        assert session.execute(first).scalars().all() == [1, 2, 3, 4]
        session.execute(update(Patient).values(notes=SECRET))
        assert session.execute(first).scalars().all() == [4, 4, 4, 4]

    run(act)


def test_a_row_under_a_retired_key_is_refused_with_its_reason(
    ring: KeyRing, world: World[MovedClock], run: Run
) -> None:
    def act(session: Session) -> None:
        session.add(Patient(name="old", notes=SECRET))
        session.commit()
        for key in KEYS[1:3]:
            world.secret.rotate(key)
        world.secret.record_retirement(1)
        world.secret.unlabel(1)
        ring.refresh()
        session.add(Patient(name="new", notes=SECRET))
        session.commit()
        old = select(Patient.notes).where(Patient.name == "old")
        # In an event loop, a read does not wait for AWS to say so.
        until(lambda: code_of(lambda: session.scalars(old).all()) == "KEY_RETIRED")
        assert session.scalars(select(Patient.notes).where(Patient.name == "new")).all() == [SECRET]

    run(act)


def test_in_an_outage_a_row_whose_key_is_not_cached_raises_and_the_others_are_read_and_written(
    ring: KeyRing, world: World[MovedClock], run: Run
) -> None:
    other = World(world.clock).with_keys(*KEYS[:2])
    ahead = other.open()

    def act(session: Session) -> None:
        session.add(Patient(name="cached", notes=SECRET))
        session.commit()
        share_ring(ahead)  # another process, which has seen a rotation that this one has not
        session.add(Patient(name="newer", notes=SECRET))
        session.commit()
        share_ring(ring)
        world.secret.is_silent = True
        newer = select(Patient).where(Patient.name == "newer")
        assert (
            code_of(lambda: session.scalars(newer.execution_options(populate_existing=True)).all()) == "KEY_UNAVAILABLE"
        )
        cached = select(Patient.notes).where(Patient.name == "cached")
        assert session.scalars(cached).all() == [SECRET]
        session.add(Patient(name="in the outage", notes=SECRET))
        session.commit()
        assert len(session.scalars(select(Patient.notes).where(Patient.name != "newer")).all()) == 2

    run(act)
    other.close()


def test_older_data_of_every_form_is_read_in_every_type_of_column(ring: KeyRing, run: Run) -> None:  # noqa: ARG001
    def act(session: Session) -> None:
        for kind, storage, cell, value in older_cells(KEYS[0], SECRET):
            column = COLUMNS.get((kind, storage))
            if column is None:
                continue  # the table of this test has no such column
            parameter = f"CAST(CAST(:cell AS text) AS {storage})" if storage.startswith("json") else ":cell"
            session.execute(text(f"INSERT INTO patients ({column}) VALUES ({parameter})"), {"cell": cell})
            assert session.scalars(select(getattr(Patient, column))).all() == [value], (column, cell)
            session.execute(delete(Patient))

    run(act)


def test_partial_selects_deferred_columns_and_subqueries_give_values(ring: KeyRing, run: Run) -> None:  # noqa: ARG001
    def act(session: Session) -> None:
        session.add(Patient(**FULL))
        session.commit()
        session.expunge_all()
        row = session.execute(select(Patient.notes.label("n"), Patient.card)).one()
        assert tuple(row) == (SECRET, FULL["card"])
        patient = session.scalars(select(Patient).options(load_only(Patient.id))).one()
        assert patient.notes == SECRET
        session.refresh(patient, ["address"])
        assert patient.address == FULL["address"]
        inner = select(Patient.notes).subquery()
        assert session.scalars(select(inner.c.notes)).all() == [SECRET]
        assert session.scalars(select(Patient.notes).union_all(select(Patient.notes))).all() == [SECRET] * 2
        assert session.scalars(select(func.coalesce(Patient.notes, null()))).all() == [SECRET]

    run(act)


def test_bulk_writes_encrypt_and_generated_keys_come_back(ring: KeyRing, run: Run) -> None:  # noqa: ARG001
    def act(session: Session) -> None:
        many = [{"name": str(index), "notes": f"{index}"} for index in range(3)]
        returned = session.scalars(insert(Patient).returning(Patient), many).all()
        assert sorted((patient.name, patient.notes) for patient in returned) == [("0", "0"), ("1", "1"), ("2", "2")]
        ids = [patient.id for patient in returned]
        session.execute(update(Patient), [{"id": id_, "notes": f"by key {id_}"} for id_ in ids])
        session.execute(update(Patient).where(Patient.id == ids[0]).values(notes="one", card=None))
        upsert = postgres_insert(Patient).values(id=ids[1], notes="not this")
        session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"notes": "set"}))
        upsert = postgres_insert(Patient).values(id=ids[2], notes="excluded")
        session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"notes": upsert.excluded.notes}))
        session.bulk_insert_mappings(Patient, [{"name": "mapped", "notes": "mapped"}])
        new = session.scalars(insert(Patient).values([{"notes": "v1"}, {"notes": "v2"}]).returning(Patient.notes)).all()
        assert new == ["v1", "v2"]
        session.expire_all()
        assert session.scalars(select(Patient.notes).order_by(Patient.id)).all() == [
            *("one", "set", "excluded", "mapped", "v1", "v2")
        ]
        stored = session.execute(text("SELECT notes FROM patients")).scalars().all()
        assert {bytes(note)[0] for note in stored} == {1}

    run(act)


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


def test_a_change_within_a_json_value_is_stored_where_the_column_is_mutable(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add(Patient(visits={"count": 1}))
        session.commit()
        patient = session.scalars(select(Patient)).one()
        assert patient.visits is not None
        patient.visits["count"] = 2
        session.commit()
        assert session.scalars(select(Patient.visits)).all() == [{"count": 2}]


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


def test_an_async_session_reads_and_writes_without_a_call_once_the_ring_is_warm(
    ring: KeyRing,  # noqa: ARG001
    engine: Engine,  # noqa: ARG001
    uri: str,
    world: World[MovedClock],
) -> None:
    async def main() -> None:
        engine = create_async_engine(uri.replace("postgresql:", "postgresql+asyncpg:"))
        async with AsyncSession(engine) as session:
            session.add(Patient(**FULL))
            await session.commit()
            patient = (await session.scalars(select(Patient))).one()
            await session.refresh(patient)
            assert values_of(patient) == FULL
            found = [row.notes async for row in await session.stream(select(Patient.notes))]
            assert found == [SECRET]
        await engine.dispose()

    world.forget_calls()
    asyncio.run(main())
    assert world.secret.calls == []
