"""pazpaz_keys.sqlalchemy with contexts that name the row, against a real PostgreSQL."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    Engine,
    ForeignKey,
    Identity,
    Numeric,
    Sequence,
    Uuid,
    and_,
    bindparam,
    create_engine,
    func,
    insert,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.attributes import flag_modified

from clocks import MovedClock
from older_data import old_box
from pazpaz_keys import KeyRing, KeyRotationError
from pazpaz_keys.sqlalchemy import EncryptedBytes, EncryptedColumnError, EncryptedJson, EncryptedText
from postgres import Postgres
from ring_world import KEYS, World
from sqlalchemy_sessions import SECRET, Run, code_of, database_with, emptied_engine, runner


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)  # PostgreSQL generates it
    name: Mapped[str | None]
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:{id}:notes"))
    address: Mapped[str | None] = mapped_column("addr", EncryptedText("patients:{id}:address", storage="text"))
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes("patients:{id}:scan"))
    card: Mapped[Any] = mapped_column(
        EncryptedJson("patients:{id}:card", storage="jsonb", member="data"), nullable=True
    )
    plan: Mapped[Any] = mapped_column(EncryptedJson("patients:{id}:plan", storage="json"), nullable=True)
    visits: Mapped[list["Visit"]] = relationship(back_populates="patient")


class Visit(Base):
    __tablename__ = "visits"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    clinic: Mapped[str] = mapped_column(default="north")
    patient_id: Mapped[int | None] = mapped_column(ForeignKey("patients.id"))
    report: Mapped[str] = mapped_column(EncryptedText("{{visits}}:{clinic}:{id}"))
    patient: Mapped[Patient | None] = relationship(back_populates="visits")


class Numbered(Base):
    __tablename__ = "numbered"

    id: Mapped[int] = mapped_column(Sequence("numbers", start=100), primary_key=True)
    notes: Mapped[str] = mapped_column(EncryptedText("numbered:{id}"))


class Always(Base):
    __tablename__ = "always"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    notes: Mapped[str | None] = mapped_column(EncryptedText("always:{id}"))


FULL: dict[str, Any] = {
    "notes": SECRET,
    "address": "Größe 1,80 m 😀",
    "scan": bytes(range(256)),
    "card": {"number": "4111", "years": [2026, None]},
    "plan": ["a", {"b": ""}],
}


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def engine(uri: str, ring: KeyRing) -> Iterator[Engine]:  # noqa: ARG001
    yield from emptied_engine(uri, Base)


@pytest.fixture(params=["psycopg", "asyncpg"])
def run(request: pytest.FixtureRequest, engine: Engine, uri: str) -> Run:
    return runner(request.param, engine, uri)


def values_of(patient: Patient) -> dict[str, Any]:
    return {name: getattr(patient, name) for name in FULL}


def test_a_value_is_bound_to_its_row_although_the_database_generates_the_key(ring: KeyRing, run: Run) -> None:
    def act(session: Session) -> None:
        session.add_all([Patient(name="a", **FULL), Patient(name="b", **FULL), Patient(name="c")])
        session.commit()
        patients = session.scalars(select(Patient).order_by(Patient.name)).all()
        assert [values_of(patient) for patient in patients[:2]] == [FULL] * 2
        assert set(values_of(patients[2]).values()) == {None}
        raw = session.execute(text("SELECT id, notes, addr FROM patients ORDER BY name")).all()
        assert [row.id for row in raw] == [patient.id for patient in patients]
        assert {ring.decrypt_field(bytes(row.notes), f"patients:{row.id}:notes") for row in raw[:2]} == {SECRET}
        assert raw[2].notes is None
        assert isinstance(raw[0].addr, str)

    run(act)


def test_a_cell_that_is_copied_to_another_row_does_not_open_there(run: Run) -> None:
    def act(session: Session) -> None:
        session.add_all([Patient(name="a", **FULL), Patient(name="b", notes="mine", card={"a": 1})])
        session.commit()
        for column in ("notes", "card"):
            session.execute(
                text(
                    f"UPDATE patients SET {column} = (SELECT {column} FROM patients WHERE name = 'a') WHERE name = 'b'"
                )
            )
            found = select(getattr(Patient, column)).where(Patient.name == "b")
            assert code_of(lambda found=found: session.scalars(found).all()) == "TAMPERED_OR_WRONG_CONTEXT"  # type: ignore[misc]
        number = session.scalars(select(Patient.id).where(Patient.name == "b")).one()
        with pytest.raises(EncryptedColumnError, match=f"^Column patients:{number}:notes: ") as error:
            session.scalars(select(Patient.notes).where(Patient.name == "b")).all()
        assert error.value.context == f"patients:{number}:notes"

    run(act)


def test_every_way_to_select_a_column_shows_its_row(run: Run) -> None:
    def act(session: Session) -> None:
        session.add(Patient(name="a", **FULL, visits=[Visit(report="fine")]))
        session.commit()
        session.expunge_all()
        assert tuple(session.execute(select(Patient.notes.label("n"), Patient.card)).one()) == (SECRET, FULL["card"])
        patient = session.scalars(select(Patient).options(load_only(Patient.name))).one()
        assert patient.notes == SECRET
        session.refresh(patient, ["address"])
        assert patient.address == FULL["address"]
        session.expunge_all()
        for option in (joinedload(Patient.visits), selectinload(Patient.visits)):
            loaded = session.scalars(select(Patient).options(option).limit(1)).unique().one()
            assert (values_of(loaded), [visit.report for visit in loaded.visits]) == (FULL, ["fine"])
            session.expunge_all()
        other, inner = aliased(Patient), select(Patient).subquery()
        entity = aliased(Patient, inner)
        both = select(Patient.notes, other.notes).join(other, other.id == Patient.id)
        assert [tuple(row) for row in session.execute(both)] == [(SECRET, SECRET)]
        assert session.scalars(select(inner.c.notes)).all() == [SECRET]
        assert session.scalars(select(entity.plan)).all() == [FULL["plan"]]
        assert session.scalars(select(select(Patient.id.label("n"), Patient.scan).cte().c.scan)).all() == [FULL["scan"]]
        union = select(Patient.notes).union_all(select(Patient.notes))
        assert session.scalars(union).all() == [SECRET] * 2
        missing = select(Patient.id, Visit.report).outerjoin(Visit, Visit.clinic == "none")
        assert [row.report for row in session.execute(missing)] == [None]
        assert session.scalars(select(func.count(Patient.notes)).where(Patient.notes.is_not(None))).all() == [1]
        assert session.scalars(select(Patient).from_statement(select(Patient))).one().notes == SECRET

    run(act)


def test_a_select_that_does_not_show_the_row_is_refused(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(Patient(**FULL))
        session.commit()
        session.expunge_all()
        refused: list[Any] = [
            select(select(Patient.notes).subquery().c.notes),
            select(select(Visit.id, Patient.notes).join(Patient).subquery().c.notes),
            select(func.coalesce(Patient.notes, null())),
            text("SELECT notes, addr FROM patients").columns(Patient.notes),
            text("SELECT addr FROM patients").columns(addr=Patient.address.type),
        ]
        for statement in refused:
            assert code_of(lambda statement=statement: session.scalars(statement).all()) == "INVALID_COLUMN"  # type: ignore[misc]
        with pytest.raises(EncryptedColumnError, match=r"has no id\. Select the column itself\.$"):
            session.scalars(refused[2])


def test_every_key_of_a_context_counts_and_a_brace_is_doubled(ring: KeyRing, run: Run) -> None:
    def act(session: Session) -> None:
        visit = Visit(report=SECRET)
        session.add_all([visit, Visit(report="second", clinic="south")])
        session.commit()
        raw = session.execute(text("SELECT report FROM visits WHERE clinic = 'north'")).scalar_one()
        assert ring.decrypt_field(bytes(raw), f"{{visits}}:north:{visit.id}") == SECRET
        assert sorted(session.scalars(select(Visit.report))) == [SECRET, "second"]
        written = update(Visit).where(Visit.id == visit.id, Visit.clinic == "north").values(report="new")
        session.execute(written)
        assert sorted(session.scalars(select(Visit.report))) == ["new", "second"]
        with pytest.raises(KeyRotationError, match="cannot tell this row from others"):
            session.execute(insert(Visit), [{"clinic": "north:1", "report": SECRET}])
        session.execute(text("UPDATE visits SET clinic = 'south'"))
        found = select(Visit.report).where(Visit.id == visit.id)
        assert code_of(lambda: session.scalars(found).all()) == "TAMPERED_OR_WRONG_CONTEXT"

    run(act)


def test_writes_that_show_the_row_are_bound_to_it(ring: KeyRing, run: Run) -> None:  # noqa: ARG001
    def act(session: Session) -> None:
        returned = session.scalars(
            insert(Patient).returning(Patient), [{"name": str(n), "notes": f"{n}"} for n in range(3)]
        ).all()
        assert sorted((patient.name, patient.notes) for patient in returned) == [("0", "0"), ("1", "1"), ("2", "2")]
        ids = [patient.id for patient in returned]
        session.execute(update(Patient), [{"id": id_, "notes": f"by key {id_}", "card": [id_]} for id_ in ids])
        session.execute(update(Patient).where(Patient.id == ids[0]).values(notes="one", card=None))
        where = and_(Patient.name == "1", Patient.id == bindparam("which"))
        session.execute(update(Patient).where(where).values(notes=bindparam("new")), {"which": ids[1], "new": "bound"})
        session.execute(update(Patient.__table__).where(Patient.id == ids[1]).values(addr="core"))  # type: ignore[arg-type]
        new = session.scalars(insert(Patient).values(notes="values").returning(Patient.notes)).all()
        assert new == ["values"]
        session.execute(insert(Patient).values(id=1_000_000, notes="given"))
        session.bulk_insert_mappings(Patient, [{"notes": "mapped"}])
        session.execute(update(Patient).values(plan=Patient.plan, scan=None))
        upsert = postgres_insert(Patient).values(id=ids[2], notes="excluded")
        set_ = {"notes": upsert.excluded.notes}
        session.execute(upsert.on_conflict_do_update(index_elements=[Patient.id], set_=set_))
        session.expire_all()
        expected = {"one", "bound", "excluded", "values", "given", "mapped"}
        assert set(session.scalars(select(Patient.notes))) == expected
        assert session.scalars(select(Patient.address).where(Patient.id == ids[1])).all() == ["core"]
        session.add(numbered := Numbered(notes="by a sequence"))
        session.flush()
        assert session.execute(select(Numbered.id, Numbered.notes)).one() == (numbered.id, "by a sequence")
        assert numbered.id >= 100

    run(act)


def test_a_changed_attribute_and_a_moved_row_are_written_for_their_row(engine: Engine) -> None:
    with Session(engine) as session:
        patient = Patient(**FULL)
        session.add(patient)
        session.commit()
        patient.notes, patient.plan = "changed", None
        session.commit()
        assert (patient.notes, patient.plan) == ("changed", None)
        patient.id = 77
        with pytest.raises(EncryptedColumnError, match="flag_modified"):
            session.flush()
        session.rollback()
        patient.id = 77
        for name in FULL:
            flag_modified(patient, name)
        session.commit()
        assert values_of(patient) == {**FULL, "notes": "changed", "plan": None}


UNKNOWN_ROW: list[Callable[[], Any]] = [
    lambda: update(Patient).values(notes=SECRET),
    lambda: update(Patient).where(Patient.name == "a").values(notes=SECRET),
    lambda: update(Patient).where(Patient.id.in_([1, 2])).values(notes=SECRET),
    lambda: update(Patient).where((Patient.id == 1) | (Patient.id == 2)).values(notes=SECRET),
    lambda: update(Visit).where(Visit.id == uuid.UUID(int=1)).values(report=SECRET),
    lambda: update(Patient).where(Patient.id == 1).values(id=2),
    lambda: insert(Patient).values([{"id": 1, "notes": SECRET}, {"id": 2, "notes": SECRET}]),
    lambda: insert(Always).values(notes=SECRET),
    lambda: (
        postgres_insert(Patient)
        .values(id=1, notes="ours")
        .on_conflict_do_update(index_elements=["id"], set_={"notes": SECRET})
    ),
    lambda: insert(Visit).values(id=uuid.uuid4(), clinic=None, report=SECRET),
]


@pytest.mark.parametrize("number", range(len(UNKNOWN_ROW)))
def test_a_write_that_does_not_show_the_row_is_refused(engine: Engine, number: int) -> None:
    with Session(engine) as session:
        act = lambda: session.execute(UNKNOWN_ROW[number](), execution_options={"synchronize_session": False})  # noqa: E731
        assert code_of(act) == "INVALID_COLUMN"


CELL_OF_ANOTHER_ROW: list[Callable[[], Any]] = [
    lambda: insert(Patient).from_select(["id", "notes"], select(Patient.id + 1, Patient.notes)),
    lambda: update(Patient).values(notes=aliased(Patient).notes),
    lambda: (upsert := postgres_insert(Patient).values(name="a", notes="x")).on_conflict_do_update(
        index_elements=["name"], set_={"notes": upsert.excluded.notes}
    ),
    lambda: update(Patient).values(notes=func.upper(Patient.name)),
]


@pytest.mark.parametrize("number", range(len(CELL_OF_ANOTHER_ROW)))
def test_the_cell_of_another_row_is_not_stored(engine: Engine, number: int) -> None:
    with Session(engine) as session, pytest.raises(InvalidRequestError, match="takes values, not SQL expressions"):
        session.execute(CELL_OF_ANOTHER_ROW[number](), execution_options={"synchronize_session": False})


def test_a_key_that_postgresql_spells_in_another_way_is_refused_before_anything_is_written(engine: Engine) -> None:
    class OtherBase(DeclarativeBase):
        pass

    class Priced(OtherBase):
        __tablename__ = "priced"
        id: Mapped[Any] = mapped_column(Numeric(10, 2), primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("priced:{id}"))

    class Coded(OtherBase):
        __tablename__ = "coded"
        id: Mapped[str] = mapped_column(CHAR(5), primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("coded:{id}"))

    class Misspelt(OtherBase):
        __tablename__ = "misspelt"
        id: Mapped[int] = mapped_column(primary_key=True)
        notes: Mapped[str | None] = mapped_column(EncryptedText("misspelt:{number}"))

    with Session(engine) as session:
        for model in (Priced, Coded, Misspelt):
            assert code_of(lambda model=model: session.execute(insert(model).values(id=1, notes=SECRET))) == (  # type: ignore[misc]
                "INVALID_COLUMN"
            )
            assert code_of(lambda model=model: session.execute(select(model))) == "INVALID_COLUMN"  # type: ignore[misc]


def test_a_key_in_another_spelling_is_the_same_row_or_refused(engine: Engine) -> None:
    class OtherBase(DeclarativeBase):
        pass

    class Spelled(OtherBase):
        __tablename__ = "visits"
        id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
        clinic: Mapped[str]
        report: Mapped[str] = mapped_column(EncryptedText("{{visits}}:{clinic}:{id}"))

    with Session(engine) as session:
        number = str(uuid.uuid4())
        session.execute(insert(Spelled).values(id=number.upper(), clinic="north", report=SECRET))
        assert session.execute(select(Visit.id, Visit.report)).one() == (uuid.UUID(number), SECRET)
        for wrong in ("007", True):
            with pytest.raises(EncryptedColumnError, match="as int, str or UUID"):
                session.execute(insert(Patient).values(id=wrong, notes=SECRET))


def test_older_data_and_another_keys_rows_are_read(ring: KeyRing, world: World[MovedClock], engine: Engine) -> None:
    with Session(engine) as session:
        older = old_box(KEYS[0], SECRET, b"\x07" * 12)
        session.execute(text("INSERT INTO patients (notes) VALUES (:cell)"), {"cell": b"v1:" + older})
        assert session.scalars(select(Patient.notes)).all() == [SECRET]
        world.secret.rotate(KEYS[1])
        ring.refresh()
        session.add(Patient(notes=SECRET))
        session.flush()
        assert session.scalars(select(Patient.notes)).all() == [SECRET] * 2


def test_another_database_is_refused(ring: KeyRing) -> None:  # noqa: ARG001
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        assert code_of(lambda: connection.execute(select(Patient.notes))) == "INVALID_COLUMN"
        assert code_of(lambda: connection.execute(insert(Patient).values(notes=SECRET))) == "INVALID_COLUMN"
    engine.dispose()


@pytest.mark.parametrize("context", ["patients:{id:notes", "patients:id}", "patients:{}", "{{}", "{a{b}}"])
def test_a_brace_without_its_pair_is_refused(context: str) -> None:
    with pytest.raises(KeyRotationError) as error:
        EncryptedText(context)
    assert error.value.code == "INVALID_COLUMN"
