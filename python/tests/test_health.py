"""Fetching every key at start, the health of a ring, and reading without waiting."""

import asyncio
import json
import time

import pytest

from clocks import ManualClock, MovedClock
from pazpaz_keys import KeyMaterial, KeyRing, Settings
from ring_words import SENTENCE, code_of, until
from ring_world import KEYS, World, flipped, forged, row_under

ENVIRONMENT_KEY = KeyMaterial(bytes(range(32)))


def test_warm_fetches_every_key_so_that_no_read_waits(world: World[MovedClock]) -> None:
    ring = world.with_keys(*KEYS).open()
    world.forget_calls()
    health = ring.warm()
    assert world.secret.calls == ["GetSecretValue"] * 16
    assert [(key.number, key.is_cached) for key in health.keys] == [(number, True) for number in range(1, 18)]
    assert [ring.decrypt_field_nowait(row_under(number)) for number in range(1, 18)] == [SENTENCE] * 17


def test_a_warm_ring_fetches_the_keys_that_a_later_refresh_shows(world: World[MovedClock]) -> None:
    ring = world.with_keys(*KEYS[:2]).open()
    ring.warm()
    world.secret.add(KEYS[2], "key-v3")
    world.clock.ahead += 301
    ring.encrypt_field(SENTENCE)  # wakes the thread, as any call after a sleep does
    until(lambda: ring.health().keys[-1].number == 3 and ring.health().keys[-1].is_cached)
    assert ring.decrypt_field_nowait(row_under(3)) == SENTENCE


def test_warm_leaves_out_a_key_that_cannot_be_read_and_says_why(world: World[MovedClock]) -> None:
    ring = world.with_keys(*KEYS[:3]).open()
    world.secret.deny("version-1")
    first, second, third = ring.warm().keys
    assert (first.is_cached, first.error is not None and first.error.code) == (False, "AWS_REFUSED")
    assert (second.is_cached, second.is_current, third.is_cached, third.is_current) == (True, False, True, True)


def test_warm_asks_for_the_labels_where_opening_had_to_fall_back(world: World[MovedClock]) -> None:
    world.with_keys(*KEYS[:2])
    world.secret.is_silent = True
    ring = world.open(environment_key=ENVIRONMENT_KEY)
    health = ring.warm()
    assert health.can_encrypt
    assert health.last_error is not None
    assert health.last_error.code == "CANNOT_REACH_AWS"
    assert health.keys == [(0, None, True, True, None)]
    world.secret.is_silent = False
    assert [key.is_cached for key in ring.warm().keys] == [True] * 3


def test_health_shows_number_age_and_keys_without_a_call_and_as_json(world: World[MovedClock]) -> None:
    ring = world.with_keys(*KEYS[:2]).open()
    world.clock.ahead += 61.5
    world.forget_calls()
    health = ring.health()
    assert world.secret.calls == []
    assert json.loads(json.dumps(health.as_dict())) == {
        "can_encrypt": True,
        "current_number": 2,
        "age_seconds": 61,
        "last_error": None,
        "keys": [
            {"number": 1, "version_id": "version-1", "is_current": False, "is_cached": False, "error": None},
            {"number": 2, "version_id": "version-2", "is_current": True, "is_cached": True, "error": None},
        ],
    }


def test_health_keeps_the_last_error_until_aws_answers_and_says_when_nothing_can_be_encrypted(
    still_world: World[ManualClock],
) -> None:
    ring = still_world.with_keys(KEYS[0]).open(max_key_age=600)
    still_world.secret.is_silent = True
    still_world.clock.seconds += 601
    code_of(ring.encrypt_field, SENTENCE)
    health = ring.health()
    assert (health.can_encrypt, health.current_number, health.age_seconds) == (False, 1, 601)
    assert health.as_dict()["last_error"] == {"code": "CANNOT_REACH_AWS", "message": str(health.last_error)}
    still_world.secret.is_silent = False
    ring.refresh()
    assert (ring.health().can_encrypt, ring.health().last_error) == (True, None)


def test_health_of_a_ring_without_aws_and_of_a_closed_one() -> None:
    ring = KeyRing.open(Settings("local", None, None, ENVIRONMENT_KEY))
    assert ring.warm() == ring.health() == (True, 0, None, None, [(0, None, True, True, None)])
    ring.close()
    health = ring.health()
    assert (health.can_encrypt, health.current_number, health.keys) == (False, None, [])
    assert code_of(ring.warm) == "RING_CLOSED"


# Without waiting


def test_a_read_without_waiting_fails_for_want_of_a_key_and_fetches_it(still_world: World[ManualClock]) -> None:
    ring = still_world.with_keys(*KEYS[:2]).open()
    assert code_of(ring.decrypt_field_nowait, row_under(1)) == "KEY_UNAVAILABLE"
    until(lambda: ring.health().keys[0].is_cached)
    assert ring.decrypt_field_nowait(row_under(1)) == SENTENCE
    assert ring.decrypt_bytes_nowait(row_under(1)) == SENTENCE.encode()
    assert code_of(ring.decrypt_field_nowait, flipped(row_under(1))) == "TAMPERED_OR_WRONG_CONTEXT"
    ring.close()
    assert code_of(ring.decrypt_field_nowait, row_under(1)) == "RING_CLOSED"


def longest_turn(ring: KeyRing, rows: list[bytes]) -> tuple[float, set[str]]:
    """Seconds that an event loop was blocked for by the slowest of these reads, and the codes of all."""

    async def read() -> tuple[float, set[str]]:
        slowest, codes = 0.0, set()
        for row in rows:
            started = time.perf_counter()
            codes.add(code_of(ring.decrypt_field, row))
            slowest = max(slowest, time.perf_counter() - started)
            await asyncio.sleep(0)
        return slowest, codes

    return asyncio.run(read())


@pytest.mark.parametrize("is_warm", [True, False])
def test_forged_rows_of_the_next_number_block_no_event_loop(world: World[MovedClock], is_warm: bool) -> None:
    ring = world.with_keys(KEYS[0]).open()
    if is_warm:
        ring.warm()
    world.clock.ahead += 6
    seconds, codes = longest_turn(ring, [forged(2) for _ in range(50)])
    assert codes == {"KEY_UNAVAILABLE"}
    assert seconds < 1  # a turn to ask AWS takes three


def test_no_read_of_a_warm_ring_blocks_an_event_loop_while_aws_hangs(still_world: World[ManualClock]) -> None:
    ring = still_world.with_keys(*KEYS[:3]).open()
    ring.warm()
    still_world.secret.add(KEYS[3], "key-v4")
    still_world.clock.seconds += 6
    still_world.secret.hang("DescribeSecret", "GetSecretValue")
    rows = [row_under(4), forged(5), forged(99), flipped(row_under(2)), forged(4)]
    _, codes = longest_turn(ring, rows * 20)  # the clock stands still: a wait would never end
    assert codes == {"KEY_UNAVAILABLE", "TAMPERED_OR_WRONG_CONTEXT"}


def test_encrypting_blocks_no_event_loop_where_the_key_is_too_old(still_world: World[ManualClock]) -> None:
    ring = still_world.with_keys(KEYS[0]).open()
    still_world.secret.hang("DescribeSecret")
    still_world.clock.seconds += 90_000

    async def encrypt() -> str:
        return code_of(ring.encrypt_field, SENTENCE)

    assert asyncio.run(encrypt()) == "KEY_TOO_OLD"


def test_a_row_that_an_event_loop_could_not_wait_for_is_read_a_moment_later(world: World[MovedClock]) -> None:
    ring = world.with_keys(KEYS[0]).open()
    ring.warm()
    world.clock.ahead += 6
    world.secret.rotate(KEYS[1])

    async def read() -> str:
        assert code_of(ring.decrypt_field, row_under(2)) == "KEY_UNAVAILABLE"
        while not any(key.number == 2 and key.is_cached for key in ring.health().keys):
            await asyncio.sleep(0.01)
        return ring.decrypt_field(row_under(2))

    assert asyncio.run(read()) == SENTENCE


def test_a_number_that_an_event_loop_did_not_wait_for_is_not_called_never_issued(world: World[MovedClock]) -> None:
    ring = world.with_keys(KEYS[0]).open()
    world.clock.ahead += 6
    assert longest_turn(ring, [forged(50)])[1] == {"KEY_NEVER_ISSUED"}  # by a description that it caused
    world.clock.ahead += 1
    assert longest_turn(ring, [forged(51)])[1] == {"KEY_UNAVAILABLE"}
