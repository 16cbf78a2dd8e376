"""pazpaz_keys.sqlalchemy: what would return a ciphertext is refused, where a statement shows it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, Text, case, cast, func, literal, null, select, type_coerce, union
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session, aliased

from pazpaz_keys import KeyRing
from pazpaz_keys.sqlalchemy import EncryptedColumnError
from postgres import Postgres
from sqlalchemy_patients import FULL, Base, Patient
from sqlalchemy_sessions import SECRET, database_with, emptied_engine


@pytest.fixture(scope="module")
def uri(postgres: Postgres) -> str:
    return database_with(postgres, Base)


@pytest.fixture
def session(uri: str, ring: KeyRing) -> Iterator[Session]:  # noqa: ARG001
    for engine in emptied_engine(uri, Base):
        with Session(engine) as session:
            session.add(Patient(name="full", **FULL))
            session.commit()
            yield session


names, notes = select(Patient.name), select(Patient.notes)
other = aliased(Patient)

REFUSED: dict[str, Any] = {
    "json_agg": select(func.json_agg(Patient.notes)),
    "JSONB_AGG": select(func.JSONB_AGG(Patient.card)),
    "json_agg of an alias": select(func.json_agg(other.notes)),
    "json_agg in an order": select(func.json_agg(aggregate_order_by(Patient.notes, Patient.id))),
    "string_agg": select(func.string_agg(Patient.address, ",")),
    "an object": select(func.json_build_object("notes", Patient.notes)),
    "an object in a list": select(func.json_agg(func.json_build_object("id", Patient.id, "notes", Patient.notes))),
    "an element of a list": select(func.to_json(func.array_agg(Patient.notes))),
    "a window": select(func.lag(Patient.notes).over(order_by=Patient.id)),
    "a condition": select(Patient.id).where(func.to_jsonb(Patient.label).is_not(None)),
    "a subquery": select(select(func.json_agg(Patient.notes).label("all")).subquery().c.all),
    "a CTE": select(select(func.json_agg(Patient.notes).label("all")).cte().c.all),
    "a union after a name": names.union_all(notes),
    "a union after NULL": select(null()).union(notes),
    "a union after another context": notes.union_all(select(Patient.scan)),
    "a third part": union(names, names, notes),
    "a second column": select(Patient.id, Patient.name).union_all(select(Patient.id, Patient.notes)),
    "an intersection": names.intersect(notes),
    "a CASE that begins with a text": select(case((Patient.id < 0, "none"), else_=Patient.address)),
    "a CASE of an aggregate": select(func.json_agg(case((Patient.id > 0, Patient.notes)))),
    "coalesce of a text": select(func.coalesce("none", Patient.address)),
    "nullif": select(func.nullif(Patient.address, "none")),
    "greatest": select(func.greatest(Patient.address, other.address)),
    "concat": select(func.concat_ws(" ", Patient.name, Patient.address)),
    "a concatenation": select(Patient.name.concat(Patient.address)),
    "a long concatenation": select(Patient.name.concat(" ").concat(Patient.address).concat(".")),
    "format": select(func.format("%s", Patient.address)),
    "unnest": select(func.unnest(func.array_agg(Patient.notes))),
    "a cast": select(cast(Patient.card, JSONB)),
    "an element of a cast": select(cast(Patient.card, JSONB)["data"]),
    "a row": select(func.row_to_json(select(Patient).subquery().table_valued())),
    "rows of a subquery": select(func.jsonb_agg(notes.subquery().table_valued())),
    "a union of entities": select(literal("a").label("a"), Patient.id).union_all(select(other.notes, other.id)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_return_ciphertexts_is_refused(session: Session, what: str) -> None:
    with pytest.raises(InvalidRequestError, match="It would return ciphertexts") as error:
        session.execute(REFUSED[what])
    assert isinstance(error.value, EncryptedColumnError)
    assert error.value.code == "INVALID_COLUMN"
    assert error.value.context.startswith("patients:")


def test_what_is_decrypted_or_holds_no_ciphertext_is_not_refused(session: Session) -> None:
    read: list[tuple[Any, list[Any]]] = [
        (notes.union_all(notes), [SECRET] * 2),
        (notes.union_all(select(other.notes)), [SECRET] * 2),
        (notes.union_all(select(null())), [SECRET, None]),
        (select(func.array_agg(Patient.notes)), [[SECRET]]),
        (select(func.max(Patient.notes)), [SECRET]),
        (select(func.count(Patient.notes)), [1]),
        (select(func.json_agg(Patient.name)), [["full"]]),
        (select(func.octet_length(Patient.notes)), [49]),
        (select(func.json_build_object("none", Patient.notes.is_(None))), [{"none": False}]),
        (select(func.coalesce(Patient.notes, Patient.notes)), [SECRET]),
        (select(case((Patient.id > 0, Patient.notes), else_=None)), [SECRET]),
        (select(case((Patient.notes.is_(None), "none"), else_="some")), ["some"]),
        (select(func.row_to_json(names.subquery().table_valued())), [{"name": "full"}]),
        (select(type_coerce(Patient.card, JSONB)["data"].is_(None)), [False]),
        (select(cast(Patient.notes, Patient.notes.type)), [SECRET]),
        (select(func.jsonb_typeof(type_coerce(Patient.card, Text))), ["object"]),
    ]
    for statement, expected in read:
        assert session.scalars(statement).all() == expected
    (cells,) = session.scalars(select(func.array_agg(type_coerce(Patient.notes, LargeBinary)))).all()
    assert [bytes(cell)[0] for cell in cells] == [1]


def test_an_engine_refuses_it_too(session: Session) -> None:
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    with engine.connect() as connection, pytest.raises(EncryptedColumnError):
        connection.scalar(select(func.json_agg(Patient.__table__.c.notes)))
