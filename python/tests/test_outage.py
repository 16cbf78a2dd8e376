"""The ring while AWS hangs: by a clock that stands still, so that nothing takes time but what hangs."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from clocks import ManualClock
from older_data import old_box
from pazpaz_keys import KeyRing, KeyRotationError
from ring_words import SENTENCE, code_of, until
from ring_world import KEYS, World, forged, row_under

TIME_LIMIT = 5.0

StillWorld: TypeAlias = World[ManualClock]


def older_row(number: int) -> bytes:
    """Data from before this system whose first byte is no number of the ring."""
    return old_box(KEYS[number - 1], SENTENCE, bytes(1) + b"a nonce, so")


def time_and_code(world: StillWorld, ring: KeyRing, row: bytes) -> tuple[float, str]:
    seconds, outcome = world.clock.time_of(world.secret, lambda: ring.decrypt_field(row))
    return seconds, outcome.code if isinstance(outcome, KeyRotationError) else outcome


ROWS: dict[str, Callable[[], bytes]] = {
    "of a key that is not at hand": lambda: row_under(2),
    "of older data": lambda: older_row(2),
    "that was tampered with": lambda: forged(17),
    "with a number that no one knows": lambda: forged(99),
}


@pytest.mark.parametrize("hanging", [("DescribeSecret", "GetSecretValue"), ("GetSecretValue",)], ids=str)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_with_17_keys_a_row_waits_for_one_time_limit_at_most_and_five_more_together_for_another(
    still_world: StillWorld, row: Callable[[], bytes], hanging: tuple[str, ...]
) -> None:
    ring = still_world.with_keys(*KEYS).open()
    still_world.clock.seconds += 10
    still_world.secret.hang(*hanging)
    seconds, code = time_and_code(still_world, ring, row())
    assert (seconds <= TIME_LIMIT, code) == (True, "KEY_UNAVAILABLE")
    others = [time_and_code(still_world, ring, row()) for _ in range(5)]
    assert sum(seconds for seconds, _ in others) <= TIME_LIMIT
    assert {code for _, code in others} == {"KEY_UNAVAILABLE"}


def test_a_version_that_hung_is_let_be_for_a_whole_time_limit_counted_from_its_end(still_world: StillWorld) -> None:
    ring = still_world.with_keys(*KEYS[:2]).open()
    still_world.secret.hang("GetSecretValue")
    assert time_and_code(still_world, ring, row_under(1)) == (TIME_LIMIT, "KEY_UNAVAILABLE")
    still_world.forget_calls()
    for _ in range(5):
        assert time_and_code(still_world, ring, row_under(1)) == (0, "KEY_UNAVAILABLE")
        still_world.clock.seconds += 0.9
    assert still_world.secret.calls == []
    still_world.clock.seconds += 0.6
    assert time_and_code(still_world, ring, row_under(1)) == (TIME_LIMIT, "KEY_UNAVAILABLE")
    assert still_world.secret.calls == ["GetSecretValue"]


def test_a_row_whose_own_key_cannot_be_reached_is_unavailable_and_nothing_else_is_asked_for(
    still_world: StillWorld,
) -> None:
    ring = still_world.with_keys(*KEYS).open()
    still_world.clock.seconds += 10
    still_world.secret.is_silent = True
    still_world.forget_calls()
    assert code_of(ring.decrypt_field, row_under(2)) == "KEY_UNAVAILABLE"
    assert still_world.secret.calls == ["GetSecretValue"]


def test_older_data_has_six_keys_read_at_a_time_and_the_rest_not_where_none_of_six_can_be_reached(
    still_world: StillWorld,
) -> None:
    ring = still_world.with_keys(*KEYS).open()
    still_world.secret.is_silent = True
    still_world.forget_calls()
    assert code_of(ring.decrypt_field, older_row(1)) == "KEY_UNAVAILABLE"
    assert still_world.secret.calls == ["GetSecretValue"] * 6


@pytest.mark.parametrize("number", [1, 3, 12, 17])
def test_one_version_that_hangs_hides_no_row_of_another_key(still_world: StillWorld, number: int) -> None:
    ring = still_world.with_keys(*KEYS).open()
    still_world.secret.hang("version-2")
    row = older_row(number)
    if number == 12:
        # In a later round than the one that hangs: found by the time its own is given up, or by the next row.
        time_and_code(still_world, ring, row)
    assert time_and_code(still_world, ring, row) == (0, SENTENCE)


def test_a_row_that_waits_in_vain_is_opened_all_the_same_by_a_key_that_came_to_hand_for_another_row(
    still_world: StillWorld,
) -> None:
    ring = still_world.with_keys(*KEYS).open()
    still_world.secret.hang("version-2")
    texts: list[str] = []
    waiting = threading.Thread(target=lambda: texts.append(ring.decrypt_field(older_row(12))), daemon=True)
    waiting.start()
    until(lambda: len(still_world.secret.hanging) == 1)
    assert ring.decrypt_field(row_under(12)) == SENTENCE
    still_world.clock.seconds += TIME_LIMIT
    waiting.join(30)
    assert texts == [SENTENCE]


def slow_answers(world: StillWorld, description: float = 0) -> list[int]:
    """From now on each value takes two seconds, and a description so many.

    Gives how many values were asked for together, at each start of one.
    """
    describe, read = world.secret.describe_secret, world.secret.get_secret_value
    under_way, together = [None], list[int]()

    def slow_describe(*, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        world.clock.wait(world.secret.mended, description)
        return describe(SecretId=SecretId)

    def slow_read(*, SecretId: str, VersionId: str = "") -> Mapping[str, Any]:  # noqa: N803
        together.append(len(under_way))
        under_way.append(None)
        world.clock.wait(world.secret.mended, 2)
        under_way.pop()
        return read(SecretId=SecretId, VersionId=VersionId)

    world.secret.describe_secret = slow_describe  # type: ignore[method-assign]
    world.secret.get_secret_value = slow_read  # type: ignore[method-assign]
    return together


def test_where_each_value_takes_two_seconds_what_one_row_has_read_helps_the_next(still_world: StillWorld) -> None:
    ring = still_world.with_keys(*KEYS).open()
    together = slow_answers(still_world)
    assert time_and_code(still_world, ring, older_row(16)) == (TIME_LIMIT, "KEY_UNAVAILABLE")
    still_world.clock.seconds += 1
    assert time_and_code(still_world, ring, older_row(16)) == (0, SENTENCE)
    assert max(together) == 6


def test_a_description_that_comes_while_a_row_is_tried_is_used_though_nobody_waited_for_it(
    still_world: StillWorld,
) -> None:
    ring = still_world.with_keys(*KEYS[:3]).open()
    still_world.secret.is_silent = True
    assert code_of(ring.decrypt_field, forged(99)) == "KEY_UNAVAILABLE"
    still_world.secret.is_silent = False
    for key in KEYS[3:5]:
        still_world.secret.rotate(key)
    slow_answers(still_world, description=1)
    still_world.clock.seconds += 6
    assert time_and_code(still_world, ring, row_under(4)) == (4, SENTENCE)


def test_waiting_for_its_turn_to_ask_aws_takes_none_of_a_rows_time(still_world: StillWorld) -> None:
    ring = still_world.with_keys(KEYS[0]).open(call_time_limit=1.0)
    assert time_and_code(still_world, ring, forged(50)) == (0, "KEY_NEVER_ISSUED")
    still_world.secret.rotate(KEYS[1])
    still_world.clock.seconds += 0.5
    still_world.secret.rotate(KEYS[2])
    assert time_and_code(still_world, ring, row_under(2)) == (2.5, SENTENCE)


# Where the whole ring is cached


def outage(world: StillWorld) -> KeyRing:
    ring = world.with_keys(KEYS[0]).open()
    world.clock.seconds += 10
    world.secret.hang("DescribeSecret", "GetSecretValue")
    return ring


def test_in_an_outage_that_hangs_only_the_first_row_waits_and_then_nobody_does(still_world: StillWorld) -> None:
    ring = outage(still_world)
    assert time_and_code(still_world, ring, forged(1)) == (TIME_LIMIT, "TAMPERED_OR_WRONG_CONTEXT")
    for second in range(60):
        assert time_and_code(still_world, ring, forged(1)) == (0, "TAMPERED_OR_WRONG_CONTEXT")
        assert time_and_code(still_world, ring, forged(50 + second)) == (0, "KEY_UNAVAILABLE")
        still_world.clock.seconds += 1


def test_in_an_outage_aws_is_asked_three_seconds_after_it_was_given_up(still_world: StillWorld) -> None:
    ring = outage(still_world)
    time_and_code(still_world, ring, forged(1))
    still_world.forget_calls()
    for _ in range(800):
        time_and_code(still_world, ring, forged(1))
        still_world.clock.seconds += 0.1
    # Five seconds until a call is given up, and three until the next.
    assert 9 <= still_world.secret.calls.count("DescribeSecret") <= 11


def test_rows_are_told_apart_again_as_soon_as_aws_answers(still_world: StillWorld) -> None:
    ring = outage(still_world)
    time_and_code(still_world, ring, forged(50))
    still_world.secret.mend()
    still_world.clock.seconds += 3
    time_and_code(still_world, ring, forged(50))  # has AWS asked, and does not wait for it
    seconds, code = time_and_code(still_world, ring, forged(50))
    assert (seconds <= 3, code) == (True, "KEY_NEVER_ISSUED")


# What cannot be, and what someone did by hand


@pytest.mark.parametrize("stages", [[], ["key-v3"]])
def test_an_answer_that_takes_the_current_key_away_is_not_believed(still_world: StillWorld, stages: list[str]) -> None:
    ring = still_world.with_keys(*KEYS[:3]).open()
    versions = still_world.secret.ring["versions"]
    still_world.secret.ring = {"versions": [{**versions[2], "stages": stages}]}
    assert code_of(ring.refresh) == "NO_CURRENT_KEY"
    assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE
    still_world.clock.seconds += 6
    assert time_and_code(still_world, ring, forged(9)) == (0, "KEY_UNAVAILABLE")
    still_world.secret.ring = {"versions": versions}
    still_world.clock.seconds += 6
    ring.refresh()
    assert ring.decrypt_field(row_under(1)) == SENTENCE


def test_a_number_that_was_moved_keeps_its_old_key_until_the_new_one_is_read(still_world: StillWorld) -> None:
    ring = still_world.with_keys(*KEYS[:3]).open(legacy=False)
    assert ring.decrypt_field(row_under(2)) == SENTENCE
    first, second, _ = still_world.secret.ring["versions"]
    first["stages"], second["stages"] = ["key-v1", "key-v2"], []
    ring.refresh()
    still_world.forget_calls()
    still_world.secret.is_silent = True
    assert ring.decrypt_field(row_under(2)) == SENTENCE  # what the old one wrote, with no call
    assert still_world.secret.calls == []
    still_world.secret.is_silent = False
    for row in (row_under(2, KEYS[0]), row_under(2)):
        assert ring.decrypt_field(row) == SENTENCE
    assert still_world.secret.calls == ["GetSecretValue"]


def test_a_key_that_could_not_be_read_is_read_again_after_one_second_then_after_two(still_world: StillWorld) -> None:
    ring = still_world.with_keys(*KEYS[:2]).open(legacy=False)
    still_world.secret.deny("version-1")
    still_world.forget_calls()
    for seconds, reads in ((0.0, 1), (0.9, 1), (0.2, 2), (1.9, 2)):
        still_world.clock.seconds += seconds
        assert code_of(ring.decrypt_field, row_under(1)) == "KEY_UNAVAILABLE"
        assert still_world.secret.calls.count("GetSecretValue") == reads
    still_world.secret.deny("version-1", False)
    still_world.clock.seconds += 0.2
    assert ring.decrypt_field(row_under(1)) == SENTENCE
