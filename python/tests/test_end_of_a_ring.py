"""What is left of a ring that was closed, or let go: nothing."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import settings_for
from local_service import LocalService
from pazpaz_keys import KeyMaterial, KeyRing, KeyRotationError, Settings, encrypt_field, key_lookup, secret_source
from ring_words import SENTENCE, code_of, until
from secret_in_memory import SecretInMemory, secret_with

KEYS = tuple(bytes([byte]) * 32 for byte in b"abc")
SETTINGS = Settings("staging", "us-east-1", "name", None)


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pazpaz-keys")]


def keys_in_memory() -> int:
    # By type: a lazy object of another library that is asked for its class sets itself up.
    return sum(type(thing) is KeyMaterial for thing in gc.get_objects())


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Asking:
    """A thread that asks something of a ring, and how that ended."""

    def __init__(self, act: Callable[..., Any], *given: Any) -> None:
        self.code = ""

        def ask() -> None:
            try:
                act(*given)
            except KeyRotationError as error:
                self.code = error.code

        self._thread = threading.Thread(target=ask, daemon=True)
        self._thread.start()

    def ended_with(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.code


def test_a_closed_ring_refuses_and_leaves_no_thread(service: LocalService, name: str) -> None:
    service.create(name)
    ring = KeyRing.open(settings_for(name))
    row = ring.encrypt_field(SENTENCE)
    ring.close()
    ring.close()
    for act in (ring.encrypt_field, ring.decrypt_field, ring.decrypt_bytes):
        assert code_of(act, row) == "RING_CLOSED"
    assert code_of(ring.refresh) == "RING_CLOSED"
    (outcome,) = ring.decrypt_fields([(row, "")])
    assert isinstance(outcome, KeyRotationError)
    assert outcome.code == "RING_CLOSED"
    assert not ring.is_fallen_back
    assert [usage.encryptions for usage in ring.usage()] == [1]
    until(lambda: not our_threads())


def test_a_ring_with_the_key_of_the_environment_alone_is_closed_too() -> None:
    ring = KeyRing.open(Settings("local", None, None, KeyMaterial(KEYS[0])))
    row = ring.encrypt_field(SENTENCE)
    ring.close()
    assert code_of(ring.encrypt_field, SENTENCE) == "RING_CLOSED"
    assert code_of(ring.decrypt_field, row) == "RING_CLOSED"
    assert code_of(ring.refresh) == "RING_CLOSED"


def test_a_closed_ring_lets_go_of_its_keys_without_the_garbage_collector() -> None:
    with no_garbage_collection():
        before = keys_in_memory()
        ring = KeyRing.open(SETTINGS, client=secret_with(*KEYS))
        for number, key in enumerate(KEYS, 1):
            ring.decrypt_field(encrypt_field(SENTENCE, key, number=number))
        ring.encrypt_field(SENTENCE)
        assert keys_in_memory() == before + 3
        ring.close()
        until(lambda: not our_threads())
        assert keys_in_memory() == before


def test_a_ring_that_has_fallen_back_lets_go_of_the_key_of_the_environment() -> None:
    with no_garbage_collection():
        before = keys_in_memory()
        settings = Settings("staging", "us-east-1", "name", KeyMaterial(KEYS[0]))
        ring = KeyRing.open(settings, client=SecretInMemory({"versions": [], "aws": "silent"}))
        ring.encrypt_field(SENTENCE)
        ring.close()
        until(lambda: not our_threads())
        assert keys_in_memory() == before + 1
        del settings  # which is the application's own
        assert keys_in_memory() == before


def test_what_waits_for_aws_when_the_ring_is_closed_is_told_so_at_once() -> None:
    secret = secret_with(*KEYS)
    ring = KeyRing.open(SETTINGS, client=secret, call_time_limit=60)
    secret.answers.clear()
    asked = len(secret.calls)
    waiting = [
        Asking(ring.decrypt_field, encrypt_field(SENTENCE, KEYS[0], number=1)),
        Asking(ring.decrypt_field, encrypt_field(SENTENCE, KEYS[0], number=1)),  # waits for the call of the first
        Asking(ring.refresh),
    ]
    until(lambda: len(secret.calls) == asked + 2)
    ring.close()
    assert {asking.ended_with() for asking in waiting} == {"RING_CLOSED"}
    secret.answers.set()
    until(lambda: not our_threads())


def test_who_waits_for_a_turn_to_ask_aws_when_the_ring_is_closed_is_told_so_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_lookup, "_LOOKUP_COOLDOWN", 600)
    monkeypatch.setattr(key_lookup, "_CLOCK_SLACK", 0)
    secret = secret_with(*KEYS)
    ring = KeyRing.open(SETTINGS, client=secret)
    assert code_of(ring.decrypt_field, encrypt_field(SENTENCE, bytes(32), number=7)) == "KEY_NEVER_ISSUED"
    asking = Asking(ring.decrypt_field, encrypt_field(SENTENCE, bytes(32), number=8))
    ring.close()
    assert asking.ended_with() == "RING_CLOSED"


def test_an_answer_that_comes_after_the_end_brings_no_key_back() -> None:
    with no_garbage_collection():
        before = keys_in_memory()
        secret = secret_with(*KEYS)
        ring = KeyRing.open(SETTINGS, client=secret, call_time_limit=60)
        secret.answers.clear()
        asked = len(secret.calls)
        asking = Asking(ring.decrypt_field, encrypt_field(SENTENCE, KEYS[0], number=1))
        until(lambda: len(secret.calls) == asked + 1)
        ring.close()
        secret.answers.set()
        assert asking.ended_with() == "RING_CLOSED"
        until(lambda: not our_threads())
        del asking
        assert code_of(ring.encrypt_field, SENTENCE) == "RING_CLOSED"
        assert keys_in_memory() == before


class Client(SecretInMemory):
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("is_own", [True, False], ids=["its own", "one that was given"])
def test_a_ring_closes_the_client_that_it_has_made_and_no_other(monkeypatch: pytest.MonkeyPatch, is_own: bool) -> None:
    client = Client(secret_with(*KEYS).ring)
    monkeypatch.setattr(secret_source, "_client_in", lambda *_: client)
    KeyRing.open(SETTINGS, client=None if is_own else client).close()
    assert client.is_closed is is_own


def test_a_ring_that_could_not_be_opened_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client({"versions": [], "aws": "silent"})
    monkeypatch.setattr(secret_source, "_client_in", lambda *_: client)
    assert code_of(KeyRing.open, SETTINGS) == "CANNOT_REACH_AWS"
    assert client.is_closed
    until(lambda: not our_threads())


def test_a_key_in_hand_needs_no_client_once_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client({"versions": [{"versionId": "", "stages": ["AWSCURRENT"], "secretBinary": KEYS[0].hex()}]})
    monkeypatch.setattr(secret_source, "_client_in", lambda *_: client)
    settings = Settings("staging", "us-east-1", "name", None)
    assert settings.encryption_key == settings.encryption_key
    assert client.calls == ["GetSecretValue"]
    assert client.is_closed


def test_a_ring_that_is_let_go_unclosed_ends_its_thread_too(service: LocalService, name: str) -> None:
    service.create(name)
    ring = KeyRing.open(settings_for(name), time_to_live=1.0)
    ring.encrypt_field(SENTENCE)
    del ring
    until(lambda: not our_threads())
