"""docs/adopt.md, step by step: examples/adopt/before becomes examples/adopt/after with its data."""

import asyncio
import base64
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from adopt.after.models import Patient as After
from adopt.before import backup, keys, reencrypt
from adopt.before.models import Base
from adopt.before.models import Patient as Before
from local_service import LocalService
from pazpaz_keys import KeyRing, share_ring, shared_ring
from pazpaz_keys.sqlalchemy import EncryptedText
from postgres import Postgres

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "python" / "examples" / "adopt"
PAGE = (REPOSITORY / "docs" / "adopt.md").read_text("utf-8")
ROWS: list[dict[str, Any]] = [
    {"notes": f"note {n}", "phone": f"+1 555 {n}", "payment": {"card": f"4111 {n}"}} for n in range(20)
]
EMPTY: dict[str, Any] = {"notes": None, "phone": None, "payment": None}


@pytest.fixture
def uri(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def engine(uri: str) -> Iterator[Engine]:
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    engine.dispose()
    share_ring(None)


@pytest.fixture(autouse=True)
def _two_secrets(service: LocalService) -> Iterator[None]:
    """One for each version, as the application has them."""
    for version in (1, 2):
        service.create(keys.secret_of(version), base64.b64encode(os.urandom(32)).decode())
    yield
    for version in (1, 2):
        service.client.delete_secret(SecretId=keys.secret_of(version), ForceDeleteWithoutRecovery=True)


class Operator:
    """Runs the commands of the page."""

    def __init__(self, build: Path, service: LocalService, uri: str) -> None:
        self._cli = build / "cli" / "pazpaz-keys.mjs"
        database = uri.replace("postgresql://postgres:@/", "postgres://postgres@localhost/")
        self._env = {
            **os.environ,
            "AWS_REGION": "us-east-1",
            "SECRETS_MANAGER_KEY_NAME": keys.secret_of(2),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": service.url,
            "DATABASE_URL": database,
        }

    def __call__(self, command: str) -> str:
        assert f"pazpaz-keys {command}\n" in PAGE, f"the page does not have: {command}"
        asks = command.split()[0] in ("put", "adopt", "reencrypt", "rotate")
        arguments = [*command.replace("columns.json", str(EXAMPLE / "after" / "columns.json")).split()]
        arguments += ["--yes"] if asks and "--yes" in self._help(arguments[0]) else []
        result = subprocess.run(
            ["node", self._cli, *arguments], env=self._env, capture_output=True, encoding="utf-8", check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def _help(self, command: str) -> str:
        return subprocess.run(
            ["node", self._cli, command, "--help"], capture_output=True, encoding="utf-8", check=True
        ).stdout


def rows_of(session: Session, model: Any) -> list[dict[str, Any]]:
    found = session.scalars(select(model).order_by(model.id)).all()
    return [{name: getattr(row, name) for name in EMPTY} for row in found]


def test_the_application_moves_to_the_ring_with_its_data(
    service: LocalService, engine: Engine, uri: str, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Operator(build, service, uri)
    # Before: two versions, rows under each, an own re-encryption and an own backup.
    Base.metadata.create_all(engine)
    for version, rows in ((1, ROWS[:10]), (2, ROWS[10:])):
        keys.use_version(version)
        with Session(engine) as session:
            session.add_all(Before(**row) for row in [*rows, EMPTY])
            session.commit()
    expected = [*ROWS[:10], EMPTY, *ROWS[10:], EMPTY]
    with Session(engine) as session:
        assert rows_of(session, Before) == expected
    backup.back_up(tmp_path / "keys.json")
    assert json.loads((tmp_path / "keys.json").read_text()).keys() == {keys.secret_of(1), keys.secret_of(2)}

    # The ring: the secret that encrypts today is taken over, and the other keys are added.
    operator("adopt")
    operator("put --not-current --from-secret clinic/encryption-key-v1")

    # The application: its models alone.
    for name, value in (("ENVIRONMENT", "production"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SECRETS_MANAGER_KEY_NAME", keys.secret_of(2))
    shared_ring().warm()
    with Session(engine) as session:
        assert rows_of(session, After) == expected
        session.add(After(**ROWS[0]))
        session.commit()
    asyncio.run(reads_in_an_async_session(uri, [*expected, ROWS[0]]))

    # Rotation and re-encryption, which the commands do from now on.
    service.rotate(keys.secret_of(2))
    shared_ring().refresh()
    operator("reencrypt --columns columns.json")
    operator("census --columns columns.json")
    with Session(engine) as session:
        assert rows_of(session, After) == [*expected, ROWS[0]]
        numbers = session.execute(text("SELECT DISTINCT get_byte(notes, 0) FROM patients WHERE notes IS NOT NULL"))
        assert numbers.scalars().all() == [3]
        members = session.execute(text("SELECT DISTINCT jsonb_object_keys(payment) FROM patients")).scalars().all()
        assert members == ["data"]
    shared_ring().close()
    share_ring(None)
    with KeyRing.open() as ring:  # the key of version 1 is on the ring still: nothing was lost on the way
        assert len(ring.warm().keys) == 3


async def reads_in_an_async_session(uri: str, expected: list[dict[str, Any]]) -> None:
    engine = create_async_engine(uri.replace("postgresql:", "postgresql+asyncpg:"))
    async with AsyncSession(engine) as session:
        assert await session.run_sync(lambda session: rows_of(session, After)) == expected
    await engine.dispose()


def test_the_applications_own_re_encryption_is_what_it_was_before(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    keys.use_version(1)
    with Session(engine) as session:
        session.add(Before(**ROWS[0]))
        session.commit()
    keys.use_version(2)
    assert reencrypt.reencrypt(engine) == 1
    with engine.begin() as connection:
        assert bytes(connection.execute(text("SELECT notes FROM patients")).scalar_one()).startswith(b"v2:")


def test_the_page_names_every_file_of_the_application() -> None:
    files = {path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".json")}
    named = {name for name in files if not name.endswith("__init__.py")}
    assert {name for name in named if f"`{name}`" not in PAGE} == set()
    assert set(re.findall(r"`((?:before|after)/[\w.]+)`", PAGE)) == named


def test_a_ring_that_came_back_from_a_backup_is_read_as_before(
    build: Path, service: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = keys.secret_of(2)
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    service.rotate(name)
    with KeyRing.open() as ring:
        rows = [ring.encrypt_field("first", "a")]
        service.rotate(name)
        ring.refresh()
        rows.append(ring.encrypt_field("second", "a"))
    identity, backup_file = tmp_path / "key.txt", tmp_path / "ring.age"
    private, recipient = new_age_identity()
    identity.write_text(private)
    command(build, "backup", "--to", str(backup_file), "--recipient", recipient)
    service.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    service.create(name, None)
    command(build, "restore-ring", str(backup_file), "--identity", str(identity), "--yes")
    with KeyRing.open() as ring:
        assert ring.warm().current_number == rows[1][0]
        assert [ring.decrypt_field(row, "a") for row in rows] == ["first", "second"]
        assert ring.encrypt_field("third")[0] == rows[1][0]


def new_age_identity() -> list[str]:
    program = """
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
const identity = await generateX25519Identity();
console.log(identity, await identityToRecipient(identity));
"""
    command = ["node", "--input-type=module", "--eval", program]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True).stdout.split()


ENVIRONMENT = {"AWS_REGION": "us-east-1", "ENVIRONMENT": "production", "SECRETS_MANAGER_KEY_NAME": keys.secret_of(2)}


def command(build: Path, *arguments: str) -> str:
    line = ["node", str(build / "cli" / "pazpaz-keys.mjs"), *arguments]
    result = subprocess.run(line, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_context_of_the_row_is_the_same_text_for_the_commands(
    build: Path, service: LocalService, engine: Engine, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfRows(DeclarativeBase):
        pass

    class Visit(OfRows):
        __tablename__ = "visits"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        number: Mapped[int]
        name: Mapped[str]
        report: Mapped[str] = mapped_column(EncryptedText("visits:{id}:{number}:{name}"))

    database = uri.replace("postgresql://postgres:@/", "postgres://postgres@localhost/")
    for variable, value in {**ENVIRONMENT, "DATABASE_URL": database}.items():
        monkeypatch.setenv(variable, value)
    columns = tmp_path / "columns.json"
    columns.write_text(json.dumps([{"table": "visits", "column": "report", "context": "visits:{id}:{number}:{name}"}]))
    OfRows.metadata.create_all(engine)
    service.rotate(keys.secret_of(2))
    with Session(engine) as session:
        session.add_all(Visit(number=-number, name=f"Größe {number} €", report=f"{number}") for number in range(20))
        session.commit()
        service.rotate(keys.secret_of(2))
        command(build, "reencrypt", "--columns", str(columns), "--yes")
        command(build, "census", "--columns", str(columns))
        session.expire_all()
        shared_ring().refresh()
        assert sorted(session.scalars(select(Visit.report))) == sorted(f"{number}" for number in range(20))
        header = session.execute(text("SELECT DISTINCT get_byte(report, 0) FROM visits")).scalars().all()
        assert header == [shared_ring().health().current_number]
    shared_ring().close()
