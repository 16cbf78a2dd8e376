"""The ring of the process: opened on first use, or given."""

import threading
from collections.abc import Callable, Iterator

import pytest

from clocks import MovedClock
from local_service import LocalService
from pazpaz_keys import KeyRing, KeyRotationError, share_ring, shared_ring
from pazpaz_keys.encrypted_cell import TEXT, EncryptedCell
from pazpaz_keys.process_ring import RingSource
from ring_words import SENTENCE, code_of
from ring_world import KEYS, World


@pytest.fixture(autouse=True)
def _no_ring() -> Iterator[None]:
    share_ring(None)
    yield
    share_ring(None)


@pytest.fixture
def environment(service: LocalService, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable, value in (
        ("ENVIRONMENT", "production"),
        ("AWS_REGION", "us-east-1"),
        ("SECRETS_MANAGER_KEY_NAME", name),
    ):
        monkeypatch.setenv(variable, value)
    service.forget_calls()
    return name


def test_threads_that_ask_for_it_first_open_one_ring_together(service: LocalService, environment: str) -> None:
    service.create(environment)
    service.forget_calls()
    found: list[KeyRing] = []
    threads = [threading.Thread(target=lambda: found.append(shared_ring())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(ring) for ring in found}) == 1
    assert service.calls()["DescribeSecret"] == 1
    found[0].close()
    with shared_ring() as again:
        assert again is not found[0]
        assert again.decrypt_field(again.encrypt_field(SENTENCE)) == SENTENCE


def test_a_failed_opening_is_answered_from_memory_for_a_few_seconds_and_then_tried_again(
    service: LocalService, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_of(shared_ring) == "SECRET_NOT_FOUND"
    calls = service.calls()
    assert code_of(shared_ring) == "SECRET_NOT_FOUND"
    assert service.calls() == calls
    service.create(environment)
    monkeypatch.setattr("pazpaz_keys.process_ring._FAILURE_TTL", 0.0)
    shared_ring().close()


def test_a_ring_that_was_given_is_used_and_never_replaced(world: World[MovedClock]) -> None:
    ring = world.with_keys(KEYS[0]).open()
    share_ring(ring)
    assert shared_ring() is ring
    ring.close()
    assert shared_ring() is ring
    assert code_of(shared_ring().encrypt_field, SENTENCE) == "RING_CLOSED"


def test_settings_that_are_wrong_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    with pytest.raises(KeyRotationError, match="ENVIRONMENT must be one of"):
        shared_ring()


def reader_of(source: RingSource) -> Callable[..., str | None]:
    return EncryptedCell(TEXT, "notes", "bytea", None, source).reader(lambda error, _: error)


def test_a_column_follows_the_ring_of_the_process(service: LocalService, environment: str) -> None:
    service.create(environment)
    read = reader_of(shared_ring)
    with KeyRing.open() as other:
        row = other.encrypt_field(SENTENCE, "notes")
    assert read(row) == SENTENCE  # the first use opens it
    shared_ring().close()
    assert read(row) == SENTENCE
    shared_ring().close()


def test_a_column_asks_its_function_for_every_cell_so_that_no_tenant_reads_with_the_keys_of_another(
    world: World[MovedClock],
) -> None:
    tenants = [world.with_keys(KEYS[0]).open(), World(world.clock).with_keys(KEYS[1]).open()]
    current = tenants[0]
    read = reader_of(lambda: current)
    rows = [ring.encrypt_field(SENTENCE, "notes") for ring in tenants]
    assert read(rows[0]) == SENTENCE
    current = tenants[1]
    assert code_of(read, rows[0]) == "TAMPERED_OR_WRONG_CONTEXT"
    assert read(rows[1]) == SENTENCE
    tenants[1].close()
    assert code_of(read, rows[1]) == "RING_CLOSED"


def test_a_column_does_not_read_with_the_keys_of_a_ring_that_was_closed(world: World[MovedClock]) -> None:
    ring = world.with_keys(KEYS[0]).open()
    row = ring.encrypt_field(SENTENCE, "notes")
    given, shared = reader_of(ring), reader_of(shared_ring)
    share_ring(ring)
    assert (given(row), shared(row)) == (SENTENCE, SENTENCE)
    ring.close()
    assert (code_of(given, row), code_of(shared, row)) == ("RING_CLOSED", "RING_CLOSED")
