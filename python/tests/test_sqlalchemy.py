"""pazpaz_keys.sqlalchemy against a real PostgreSQL, with each driver."""

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Engine,
    delete,
    func,
    insert,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, load_only

from clocks import MovedClock
from older_data import older_cells
from pazpaz_keys import KeyRing, share_ring
from postgres import Postgres
from ring_words import until
from ring_world import KEYS, World
from sqlalchemy_patients import COLUMNS, FULL, Base, Patient, values_of
from sqlalchemy_sessions import SECRET, Run, code_of, database_with, emptied_engine, runner


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def engine(uri: str) -> Iterator[Engine]:
    yield from emptied_engine(uri, Base)


@pytest.fixture(params=["psycopg", "psycopg, async", "asyncpg"])
def run(request: pytest.FixtureRequest, engine: Engine, uri: str) -> Run:
    return runner(request.param, engine, uri)


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


def test_a_change_within_a_json_value_is_stored_where_the_column_is_mutable(ring: KeyRing, engine: Engine) -> None:  # noqa: ARG001
    with Session(engine) as session:
        session.add(Patient(visits={"count": 1}))
        session.commit()
        patient = session.scalars(select(Patient)).one()
        assert patient.visits is not None
        patient.visits["count"] = 2
        session.commit()
        assert session.scalars(select(Patient.visits)).all() == [{"count": 2}]


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
