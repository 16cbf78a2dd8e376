"""Nothing that a careless program prints shows a key or a plaintext."""

import base64
import copy
import io
import json
import logging
import os
import pickle
import traceback
from collections.abc import Callable

import pytest

from local_service import LocalService
from pazpaz_keys import (
    InvalidKeyValueError,
    JsonFormatter,
    KeyMaterial,
    KeyRing,
    KeyRotationError,
    Settings,
    decrypt_field,
    encrypt_field,
)
from pazpaz_keys.key_value import read_key_value
from rubbish_service import RUBBISH, RubbishService

KEY = bytes(range(100, 132))
PLAINTEXT = "canary-plaintext"
SPELLINGS = [
    base64.b64encode(KEY).decode().rstrip("="),
    base64.urlsafe_b64encode(KEY).decode().rstrip("="),
    KEY.hex(),
    KEY.hex().upper(),
    KEY.decode("latin-1"),
    repr(KEY)[2:-1],
    ", ".join(map(str, KEY)),
    PLAINTEXT,
    PLAINTEXT.encode().hex(),
]


def everything_printed(value: object) -> str:
    printed = [str(value), repr(value), f"{value}", "%s %r" % (value, value), repr([value]), repr({"a": value})]  # noqa: UP031
    printed += [repr(getattr(value, "__dict__", None)), repr(dir(value))]
    if isinstance(value, BaseException):
        printed += traceback.format_exception(value)
        printed += [repr(value.args), repr(value.__cause__), repr(value.__context__)]
        stream = io.StringIO()
        for formatter in (logging.Formatter("%(message)s"), JsonFormatter()):
            handler = logging.StreamHandler(stream)
            handler.setFormatter(formatter)
            record = logging.LogRecord("x", logging.ERROR, "", 0, "failed: %s", (value,), None)
            record.exc_info = (type(value), value, value.__traceback__)
            handler.emit(record)
        printed.append(stream.getvalue())
    return "\n".join(printed)


def assert_silent(value: object) -> None:
    printed = everything_printed(value)
    for spelling in SPELLINGS:
        assert spelling not in printed


def error_of(act: Callable[[], object]) -> KeyRotationError:
    with pytest.raises(KeyRotationError) as error:
        act()
    return error.value


TRUNCATED = base64.b64encode(KEY).decode()[:-1]

FAILURES: dict[str, Callable[[], object]] = {
    "tampered": lambda: decrypt_field(encrypt_field(PLAINTEXT, KEY)[:-1] + b"\0", KEY),
    "no UTF-8": lambda: decrypt_field(encrypt_field(PLAINTEXT.encode() + b"\xff", KEY), KEY),
    "half a pair": lambda: encrypt_field(PLAINTEXT + "\ud83d", KEY),
    "half a pair in the context": lambda: encrypt_field(PLAINTEXT, KEY, PLAINTEXT + "\ud83d"),
    "short key": lambda: encrypt_field(PLAINTEXT, KEY[:-1]),
    "value without padding": lambda: read_key_value(TRUNCATED),
    "value that is no JSON": lambda: read_key_value('{"encryption_key": "' + TRUNCATED + "}"),
    "value with two keys": lambda: read_key_value(f"{TRUNCATED} {TRUNCATED}"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_errors_hold_neither_key_nor_plaintext_nor_a_cause(failure: Callable[[], object]) -> None:
    error = error_of(failure)
    assert_silent(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_traceback_that_shows_local_variables_shows_no_plaintext_of_a_field_that_is_no_text() -> None:
    material = KeyMaterial(KEY)
    row = encrypt_field(PLAINTEXT.encode() + b"\xff", material)
    try:
        decrypt_field(row, material)
    except KeyRotationError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "pazpaz_keys" in frame.filename]
    assert ours
    for frame in ours:
        assert not any(spelling in str(frame.locals) for spelling in SPELLINGS)


def test_keys_settings_and_rings_do_not_print_their_key() -> None:
    material = KeyMaterial(KEY)
    settings = Settings("local", None, None, material)
    assert repr(material) == "KeyMaterial([redacted])"
    for value in (material, settings, KeyRing.open(settings)):
        assert_silent(value)
    assert copy.deepcopy(material) is material
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(material)
    with pytest.raises(TypeError):
        json.dumps(material)


def test_an_error_survives_a_process_pool() -> None:
    error = error_of(lambda: read_key_value("x"))
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(copied, InvalidKeyValueError)
    assert (copied.code, str(copied)) == (error.code, str(error))


def test_the_log_of_a_whole_life_shows_no_key(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pazpaz_keys")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.getLogger("pazpaz_keys").addHandler(handler)
    try:
        service.create(name, base64.b64encode(KEY).decode())
        with KeyRing.open(Settings("production", "us-east-1", name, KeyMaterial(KEY))) as ring:
            row = ring.encrypt_field(PLAINTEXT)
            service.put(name, TRUNCATED, "AWSCURRENT", "key-v2")
            error_of(ring.refresh)
            error_of(lambda: ring.decrypt_field(b"\2" + row[1:]))
    finally:
        logging.getLogger("pazpaz_keys").removeHandler(handler)
    lines = stream.getvalue() + caplog.text
    for spelling in [*SPELLINGS, TRUNCATED[:-3]]:
        assert spelling not in lines
    parsed = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in parsed] == [
        "env_key_set_in_production",
        "encryption_key_fetched_from_aws",
        "ring_key_unreadable",
        "key_ring_refresh_failed",
    ]
    assert {"timestamp", "level", "event", "secret_id", "version_id", "environment"} <= parsed[1].keys()
    assert parsed[1]["level"] == "INFO"


@pytest.mark.parametrize("kind", RUBBISH)
def test_what_answers_instead_of_aws_is_not_quoted(kind: str) -> None:
    """A proxy's half answer may hold a key: only the name of the parser's error is kept."""
    with RubbishService(kind, TRUNCATED) as rubbish:
        settings = Settings("staging", "us-east-1", "a", None)
        error = error_of(lambda: KeyRing.open(settings, client=rubbish.client, call_time_limit=2.0))
    assert error.code == "CANNOT_REACH_AWS"
    assert TRUNCATED[:20] not in everything_printed(error)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_ring_opened_before_a_fork_works_in_the_child(service: LocalService, name: str) -> None:
    service.create(name)
    with KeyRing.open(Settings("staging", "us-east-1", name, None)) as ring:
        row = ring.encrypt_field("text")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                ring.refresh()
                os.write(writer, ring.decrypt_field(row).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            assert answer.read() == b"text"
        os.waitpid(child, 0)
        ring.refresh()
