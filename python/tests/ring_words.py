"""Words that the tests of the ring are written in."""

import base64
import logging
import time
from contextlib import suppress

import pytest

from local_service import LocalService
from pazpaz_keys import KeyRing, KeyRotationError

SENTENCE = "Patient has diabetes"


def code_of(act: object, *arguments: object) -> str:
    assert callable(act)
    with pytest.raises(KeyRotationError) as error:
        act(*arguments)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    return error.value.code


def events(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "event", None) == event]


def until(happens: object, seconds: float = 10) -> None:
    assert callable(happens)
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def readable(ring: KeyRing, row: bytes) -> bool:
    """Whether the ring reads it now."""
    with suppress(KeyRotationError):
        return ring.decrypt_field(row) == SENTENCE
    return False


def ring_of_three(service: LocalService, name: str) -> list[bytes]:
    """A secret with keys 1, 2 and 3, the last of them current; gives the keys."""
    service.create(name)
    service.rotate(name)
    service.rotate(name)
    versions = [service.version_of(name, f"key-v{number}") for number in (1, 2, 3)]
    answers = [service.client.get_secret_value(SecretId=name, VersionId=version) for version in versions]
    service.forget_calls()
    return [base64.b64decode(answer["SecretString"]) for answer in answers]
