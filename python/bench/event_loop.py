"""How long a call of a warm ring holds an event loop, forged rows included: 20 ms at most.

99 of 100 calls by the clock, which another process of the machine may hold up, and the slowest by the thread's time.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable
from contextlib import suppress

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pazpaz_keys import KeyRing, KeyRotationError, encrypt_field

LIMIT = 0.020
CALLS = 200


def slowest(ring: KeyRing, keys: list[bytes]) -> dict[str, tuple[float, float]]:
    """Milliseconds by the clock and by the thread's time, by kind of row. Each call is made within a running loop."""

    def older(key: bytes) -> bytes:
        nonce = b"\x7f" + os.urandom(11)  # looks like a number that is not on the ring
        return nonce + AESGCM(key).encrypt(nonce, b"x" * 200, None)

    forged, large = os.urandom(32), os.urandom(5_000_000)
    json_start = b'{"data":"AAAA","list":'
    current = ring.encrypt_field(large)
    rows: dict[str, Callable[[int], bytes]] = {
        "of the current key": lambda _: ring.encrypt_field("x" * 200),
        "older, under mixed keys": lambda index: older(keys[index % len(keys)]),
        "forged, of the next number": lambda _: encrypt_field("x", forged, number=len(keys) + 1),
        "forged, of another number each": lambda index: encrypt_field("x", forged, number=100 + index),
        "forged, without a number": lambda _: older(forged),
        "of the current key, 5 MB": lambda _: current,
        "forged, 5 MB": lambda _: b"\x7f" + large,
        "forged, 1.3 MB": lambda _: b"\x7f" + large[:1_300_000],
        "forged, base64 of 5 MB": lambda _: b"v1:" + base64.b64encode(large[:3_750_000]),
        "forged, JSON of 5 MB": lambda _: json_start + b'"' + b"x" * 5_000_000 + b'"}',
        "forged, JSON of many members": lambda _: json_start + b"[0" + b",0" * 2_500_000 + b"]}",
        "forged, JSON of deep members": lambda _: json_start + b"[" * 2_500_000 + b"]" * 2_500_000 + b"}",
        "forged, JSON of 8 KB, deep": lambda _: json_start + b"[" * 4080 + b"]" * 4080 + b"}",
        "forged, JSON of 8 KB, many lists": lambda _: json_start + b"[[]" + b",[]" * 2700 + b"]}",
        "forged, JSON of 1 MB": lambda _: json_start + b'"' + b"x" * 1_000_000 + b'"}',
    }

    async def measure() -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for kind, row_of in rows.items():
            turns = []
            for index in range(CALLS):
                row = row_of(index)
                started = time.perf_counter(), time.thread_time()
                with suppress(KeyRotationError):
                    ring.decrypt_bytes(row)
                turns.append((time.perf_counter() - started[0], time.thread_time() - started[1]))
                await asyncio.sleep(0)
            by_clock, by_thread = (sorted(seconds) for seconds in zip(*turns, strict=True))
            found[kind] = round(by_clock[CALLS * 99 // 100 - 1] * 1000, 3), round(by_thread[-1] * 1000, 3)
        return found

    return asyncio.run(measure())
