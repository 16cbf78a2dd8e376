"""What reading costs: in time of the processor, the least of several runs, as a ratio where that is asked for."""

import json
import os
import random
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clocks import MovedClock
from pazpaz_keys import KeyRing, row_from_json
from ring_world import KEYS, World

MEGABYTE = 1_000_000


def cell(members: str, size: int = 5 * MEGABYTE) -> str:
    """A JSON object of so many bytes, filled up by repeating these members."""
    return '{"data":"AAAA","list":[' + ",".join([members] * (size // (len(members) + 1))) + "]}"


def seconds_of(act: Callable[[], object], runs: int) -> float:
    def once() -> float:
        started = time.process_time()
        act()
        return time.process_time() - started

    return min(once() for _ in range(runs))


@pytest.mark.parametrize(
    "members",
    ["0", '{"a":1,"b":"x"}', '"\\u0041\\n"', "[[[[1.5e3]]]]", json.dumps("x" * 1000)],
    ids=lambda text: text[:9],
)
def test_a_json_cell_of_five_megabytes_is_read_within_two_seconds(members: str) -> None:
    text = cell(members)
    assert seconds_of(lambda: row_from_json(text), 2) < 2


def test_a_json_cell_that_is_nested_too_deeply_for_pythons_parser_takes_time_by_its_length_alone() -> None:
    deep = ["[" * depth + "]" * depth for depth in (MEGABYTE // 40, MEGABYTE // 10)]
    small, large = (seconds_of(lambda text=text: row_from_json(cell(text, len(text))), 3) for text in deep)  # type: ignore[misc]
    assert large / small < 8  # four times the length


def test_older_rows_under_two_keys_that_are_mixed_take_at_most_three_times_a_numbered_row(
    world: World[MovedClock],
) -> None:
    ring = world.with_keys(*KEYS[:2]).open()
    ring.warm()
    numbered = [ring.encrypt_field(b"x" * 200, "context") for _ in range(1000)]
    older = [older_row(KEYS[index % 2]) for index in range(1000)]
    random.Random(1).shuffle(older)

    def reading(rows: list[bytes], ring: KeyRing = ring) -> Callable[[], object]:
        return lambda: [ring.decrypt_bytes(row, "context") for row in rows]

    assert seconds_of(reading(older), 15) / seconds_of(reading(numbered), 15) <= 3


def older_row(key: bytes) -> bytes:
    nonce = b"\x7f" + os.urandom(11)  # a number that is not on the ring
    return nonce + AESGCM(key).encrypt(nonce, b"x" * 200, None)
