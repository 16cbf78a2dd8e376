"""The ring of the process: opened on first use, or given."""

import threading
from collections.abc import Iterator

import pytest

from clocks import MovedClock
from local_service import LocalService
from pazpaz_keys import KeyRing, KeyRotationError, share_ring, shared_ring
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
