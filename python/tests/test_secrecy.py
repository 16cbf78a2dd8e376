"""Nothing that a careless program prints shows a key or a plaintext."""

import base64
import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest

from clocks import MovedClock
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
    load_settings,
)
from pazpaz_keys.key_value import read_key_value
from rubbish_service import RUBBISH, RubbishService
from secret_in_memory import secret_with

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


def tampered(row: bytes) -> bytes:
    return row[:-1] + bytes([row[-1] ^ 1])


TRUNCATED = base64.b64encode(KEY).decode()[:-1]

FAILURES: dict[str, Callable[[], object]] = {
    "tampered": lambda: decrypt_field(tampered(encrypt_field(PLAINTEXT, KEY)), KEY),
    "no UTF-8": lambda: decrypt_field(encrypt_field(PLAINTEXT.encode() + b"\xff", KEY), KEY),
    "half a pair": lambda: encrypt_field(PLAINTEXT + "\ud83d", KEY),
    "half a pair in the context": lambda: encrypt_field(PLAINTEXT, KEY, "\ud83d"),
    "short key": lambda: encrypt_field(PLAINTEXT, KEY[:-1]),
    "value without padding": lambda: read_key_value(TRUNCATED),
    "value that is no JSON": lambda: read_key_value('{"encryption_key": "' + TRUNCATED + "}"),
    "value with two keys": lambda: read_key_value(f"{TRUNCATED} {TRUNCATED}"),
    "binary value": lambda: read_key_value(None, KEY[1:]),
    "key too long": lambda: KeyMaterial(KEY + KEY),
    "settings with a key that is none": lambda: load_settings(
        {"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": TRUNCATED}
    ),
    "settings with a key, but no region": lambda: load_settings(
        {"ENVIRONMENT": "staging", "ENCRYPTION_MASTER_KEY": TRUNCATED + "="}
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_errors_hold_neither_key_nor_plaintext_nor_a_cause(failure: Callable[[], object]) -> None:
    error = error_of(failure)
    assert_silent(error)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_traceback_that_shows_local_variables_shows_none_of_ours_with_a_key_or_a_plaintext(
    failure: Callable[[], object],
) -> None:
    """As many reporters of errors do. What the caller has in its own variables is the caller's."""
    shown = traceback.TracebackException.from_exception(error_of(failure), capture_locals=True)
    ours = [frame for frame in shown.stack if "pazpaz_keys" in frame.filename]
    assert ours
    for frame in ours:
        assert not any(spelling in str(frame.locals) for spelling in SPELLINGS), frame.name


def test_failures_of_an_open_ring_show_no_key_either() -> None:
    secret = secret_with(bytes(32), KEY)
    secret.ring["versions"][0]["secretBinary"] = KEY[1:].hex()
    secret.ring["versions"][1]["stages"] = ["key-v4", "AWSCURRENT"]  # 2 and 3 were retired
    clock = MovedClock()
    settings = Settings("staging", "us-east-1", "name", KeyMaterial(KEY))
    with KeyRing.open(settings, client=secret, clock=clock) as ring:
        row = ring.encrypt_field(PLAINTEXT)
        errors = [
            error_of(lambda: ring.decrypt_field(tampered(row))),
            error_of(lambda: ring.decrypt_field(b"\1" + row[1:])),
            error_of(lambda: ring.decrypt_field(encrypt_field(PLAINTEXT, KEY[::-1], number=3))),
            error_of(lambda: ring.decrypt_field(encrypt_field(PLAINTEXT, KEY[::-1], number=99))),
            error_of(lambda: ring.decrypt_field(ring.encrypt_field(PLAINTEXT.encode() + b"\xff"))),
            error_of(lambda: ring.encrypt_field(PLAINTEXT + "\ud83d")),
        ]
        secret.is_silent = True
        clock.ahead += 100_000
        errors += [error_of(ring.refresh), error_of(lambda: ring.encrypt_field(PLAINTEXT))]
        errors += [error_of(lambda: ring.decrypt_field(encrypt_field(PLAINTEXT, KEY[::-1], number=50)))]
    errors += [error_of(lambda: ring.encrypt_field(PLAINTEXT)), error_of(lambda: ring.decrypt_field(row))]
    expected = ["TAMPERED_OR_WRONG_CONTEXT", "INVALID_KEY_VALUE", "KEY_RETIRED", "KEY_NEVER_ISSUED"]
    expected += ["INVALID_TEXT", "INVALID_TEXT"]
    expected += ["CANNOT_REACH_AWS", "KEY_TOO_OLD", "KEY_UNAVAILABLE", "RING_CLOSED", "RING_CLOSED"]
    assert [error.code for error in errors] == expected
    for error in errors:
        assert_silent(error)
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        for frame in shown.stack:
            if "pazpaz_keys" in frame.filename:
                assert not any(spelling in str(frame.locals) for spelling in SPELLINGS), frame.name


def test_keys_settings_and_rings_do_not_print_their_key() -> None:
    material = KeyMaterial(KEY)
    settings = Settings("local", None, None, material)
    assert repr(material) == "KeyMaterial([redacted])"
    for value in (material, settings, KeyRing.open(settings)):
        assert_silent(value)
    assert copy.deepcopy(material) is material
    with pytest.raises(TypeError, match="cannot be pickled"):
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


def test_a_log_that_takes_in_everything_shows_no_key(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """botocore logs the answers of AWS at level DEBUG, and so do the libraries beneath it with what they send."""
    service.create(name, base64.b64encode(KEY).decode())
    caplog.set_level(logging.DEBUG)
    settings = Settings("production", "us-east-1", name, None)
    assert settings.encryption_key == KEY
    with KeyRing.open(settings) as ring:
        ring.decrypt_field(ring.encrypt_field(PLAINTEXT))
    assert "botocore" in {record.name.split(".")[0] for record in caplog.records}
    for spelling in SPELLINGS:
        assert spelling not in caplog.text
    # Other threads' calls are the application's own to log.
    service.client.describe_secret(SecretId=name)
    assert f'"Name":"{name}"' in caplog.text


def test_a_broken_handler_of_the_log_loses_no_row(service: LocalService, name: str) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.getMessage())

    service.create(name)
    broken = Broken()
    logger = logging.getLogger("pazpaz_keys")
    logger.addHandler(broken)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with KeyRing.open(Settings("production", "us-east-1", name, KeyMaterial(KEY))) as ring:
            assert ring.decrypt_field(ring.encrypt_field(PLAINTEXT)) == PLAINTEXT
    finally:
        logger.removeHandler(broken)
        logger.setLevel(level)


@pytest.mark.parametrize("kind", RUBBISH)
def test_what_answers_instead_of_aws_is_not_quoted(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A proxy's half answer may hold a key: only the name of the parser's error is kept."""
    caplog.set_level(logging.DEBUG)
    with RubbishService(kind, TRUNCATED) as rubbish:
        settings = Settings("staging", "us-east-1", "a", None)
        error = error_of(lambda: KeyRing.open(settings, client=rubbish.client, call_time_limit=2.0))
    assert error.code == "CANNOT_REACH_AWS"
    assert TRUNCATED[:20] not in everything_printed(error)
    assert TRUNCATED[:20] not in caplog.text
