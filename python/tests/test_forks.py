"""Processes that fork after the ring was opened, as a server does that loads the application before its workers."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import settings_for
from local_service import LocalService
from pazpaz_keys import KeyMaterial, KeyRing, Settings
from ring_words import SENTENCE, until
from secret_in_memory import secret_with

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

SECONDS_FOR_A_CHILD = 60


class Child:
    """A forked process that does something and says what came of it, in bytes."""

    def __init__(self, act: Callable[[], bytes]) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reader)
            signal.alarm(SECONDS_FOR_A_CHILD)  # one that hangs ends by it, and says nothing
            try:
                os.write(writer, act())
            except BaseException as error:
                os.write(writer, f"failed: {error!r}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        self._reader = reader

    def says(self) -> bytes:
        with os.fdopen(self._reader, "rb") as answer:
            said = answer.read()
        os.waitpid(self._pid, 0)
        return said


@pytest.fixture
def ring(service: LocalService, name: str) -> Iterator[KeyRing]:
    service.create(name)
    with KeyRing.open(settings_for(name), time_to_live=1.0) as ring:
        yield ring


def test_parent_and_children_use_no_nonce_twice(ring: KeyRing) -> None:
    def rows() -> bytes:
        return b"".join(ring.encrypt_field("") for _ in range(100))

    children = [Child(rows) for _ in range(4)]
    written = b"".join([rows(), *(child.says() for child in children)])
    assert len(written) == 500 * 29
    assert len({written[start + 1 : start + 13] for start in range(0, len(written), 29)}) == 500


def test_the_workers_of_a_server_that_forks_follow_a_rotation_by_themselves(
    ring: KeyRing, service: LocalService, name: str
) -> None:
    before = ring.encrypt_field(SENTENCE)
    started, start = os.pipe()

    def work() -> bytes:
        os.read(started, 1)
        assert ring.decrypt_field(before) == SENTENCE
        until(lambda: ring.encrypt_field(SENTENCE)[0] == 2, 30)
        return ring.encrypt_field(SENTENCE)

    workers = [Child(work) for _ in range(3)]
    service.rotate(name)
    os.write(start, b"123")
    os.close(start)
    rows = [worker.says() for worker in workers]
    os.close(started)
    assert [row[:1] for row in rows] == [b"\2"] * 3, rows
    assert [ring.decrypt_field(row) for row in rows] == [SENTENCE] * 3
    until(lambda: ring.encrypt_field(SENTENCE)[0] == 2, 30)


def test_a_child_closes_its_ring_for_itself_alone(ring: KeyRing) -> None:
    def close() -> bytes:
        ring.close()
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "pazpaz-keys-refresh"])
        return b"closed"

    assert Child(close).says() == b"closed"
    ring.refresh()
    assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE


def test_a_lock_that_a_thread_held_when_the_process_forked_holds_nobody_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread of the parent may be anywhere: here it holds every lock that there is."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    keys = [bytes([byte]) * 32 for byte in b"abc"]
    ring = KeyRing.open(Settings("staging", "us-east-1", name, KeyMaterial(keys[0])), client=secret_with(*keys))
    local = KeyRing.open(Settings("local", None, None, KeyMaterial(keys[0])))
    settings = Settings("staging", "us-east-1", name, KeyMaterial(keys[0]))

    def use() -> bytes:
        ring.refresh()
        for number, key in enumerate(keys, 1):
            ring.decrypt_bytes(KeyRing.open(Settings("local", None, None, KeyMaterial(key))).encrypt_field(str(number)))
        for each in (ring, local):
            each.decrypt_field(each.encrypt_field(SENTENCE))
            each.usage()
            each.close()
        return b"%d bytes" % len(settings.encryption_key)

    locks = set().union(*map(locks_of, (ring, local, settings)))
    assert len(locks) >= 12
    with ExitStack() as held:
        for lock in locks:
            held.enter_context(lock)
        child = Child(use)
    assert child.says() == b"32 bytes"
    ring.close()
    local.close()


LOCK = type(threading.Lock())


def locks_of(thing: object) -> set[threading.Lock]:
    """Every lock among the attributes of our objects, however deep; an event has one too."""
    found: set[threading.Lock] = set()
    seen: list[object] = []
    rest = [thing]
    while rest:
        other = rest.pop()
        if isinstance(other, LOCK):
            found.add(other)
        elif type(other).__module__.startswith(("pazpaz_keys", "threading")) and other not in seen:
            seen.append(other)
            rest += vars(other).values() if hasattr(other, "__dict__") else []
    return found
