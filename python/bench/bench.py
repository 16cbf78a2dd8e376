"""Beside cryptography's AESGCM and Fernet, and columns beside plain ones: python/check --bench [--json] [--rounds N].

All take turns within a round, each a short one, by the time of this process: a busy moment of the machine slows
neighbours alike. The ratio is the median of those of the rounds; half of them are in its brackets.
"""

import argparse
import base64
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import columns
import cryptography
import event_loop
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pazpaz_keys import KeyMaterial, KeyRing, Settings, decrypt_field, encrypt_field

SECONDS_A_TURN = 0.002
SIZES = (20, 200, 2000)
CONTEXT = "patients:7:notes"
BASE = "AESGCM, made once"

Calls = dict[str, Callable[[], object]]


class ThreeKeys:
    """A secret with keys 1 to 3, the last of them current, as a client of boto3 would show it."""

    def __init__(self, keys: list[bytes]) -> None:
        self.values = {f"version-{number}": key for number, key in enumerate(keys, 1)}
        self.stages = {version_id: [f"key-v{version_id[-1]}"] for version_id in self.values}
        self.stages["version-3"].append("AWSCURRENT")

    def describe_secret(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        return {"ARN": f"arn:aws:secretsmanager:x:1:secret:{SecretId}", "VersionIdsToStages": self.stages}

    def get_secret_value(self, *, SecretId: str, VersionId: str = "") -> Mapping[str, Any]:  # noqa: ARG002, N803
        return {"VersionId": VersionId, "VersionStages": self.stages[VersionId], "SecretBinary": self.values[VersionId]}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_argument("--rounds", type=int, default=100, help="more rounds, less noise (default: 100)")
    chosen = options.parse_args()
    about = {"python": platform.python_version(), "cryptography": cryptography.__version__}
    results: list[dict[str, object]] = []
    if not chosen.json:
        print(f"Python {about['python']}, cryptography {about['cryptography']}")
    for title, calls in comparisons():
        base = next(iter(calls))
        rows = measured(calls, chosen.rounds)
        if not chosen.json:
            print(title)
            for name, (microseconds, ratio, spread) in rows.items():
                within = " to ".join(f"{one:.2f}" for one in spread)
                print(f"  {name:<32} {microseconds:8.2f} µs   {ratio:5.2f} times as fast as {base} ({within})")
        for name, (microseconds, ratio, spread) in rows.items():
            about_call = {"microseconds": microseconds, "ratio": ratio, "spread": spread}
            results.append({"what": title, "by": name, "base": base, **about_call})
    slowest = slowest_in_event_loop()
    if chosen.json:
        print(json.dumps({**about, "base": BASE, "results": results, "slowest_in_event_loop": slowest}, indent=1))
    else:
        target = event_loop.LIMIT * 1000
        print(f"an event loop is held (99 of 100 calls by the clock, every call by the thread; target: {target:g} ms)")
        for kind, (by_clock, by_thread) in slowest.items():
            print(f"  row {kind:<32} {by_clock:8.2f} ms {by_thread:8.2f} ms")


def slowest_in_event_loop() -> dict[str, tuple[float, float]]:
    keys = [os.urandom(32) for _ in range(3)]
    with KeyRing.open(Settings("staging", "us-east-1", "bench", None), client=ThreeKeys(keys)) as ring:
        ring.warm()
        return event_loop.slowest(ring, keys)


def comparisons() -> Iterator[tuple[str, Calls]]:
    keys = [os.urandom(32) for _ in range(3)]
    key, material = keys[2], KeyMaterial(keys[2])
    aesgcm, fernet = AESGCM(key), Fernet(base64.urlsafe_b64encode(key))
    ring = KeyRing.open(Settings("staging", "us-east-1", "bench", None), client=ThreeKeys(keys))
    for number, other in enumerate(keys, 1):
        ring.decrypt_field(encrypt_field("now at hand", other, number=number))

    for size in SIZES:
        text = "x" * size
        yield f"encrypting {size} bytes", encryptions(text, key, material, aesgcm, fernet, ring)
        yield f"decrypting {size} bytes", decryptions(text, key, material, aesgcm, fernet, ring)
    yield from columns.comparisons(ring, key)
    ring.close()


def encryptions(text: str, key: bytes, material: KeyMaterial, aesgcm: AESGCM, fernet: Fernet, ring: KeyRing) -> Calls:
    def bare(cipher: AESGCM) -> bytes:
        nonce = os.urandom(12)
        return nonce + cipher.encrypt(nonce, text.encode(), CONTEXT.encode())

    return {
        BASE: lambda: bare(aesgcm),
        "ring.encrypt_field": lambda: ring.encrypt_field(text, CONTEXT),
        "encrypt_field, KeyMaterial": lambda: encrypt_field(text, material, CONTEXT),
        "AESGCM, made each time": lambda: bare(AESGCM(key)),
        "encrypt_field, key as bytes": lambda: encrypt_field(text, key, CONTEXT),
        "Fernet": lambda: fernet.encrypt(text.encode()),
    }


def decryptions(text: str, key: bytes, material: KeyMaterial, aesgcm: AESGCM, fernet: Fernet, ring: KeyRing) -> Calls:
    nonce = b"\x7f" + os.urandom(11)  # a legacy row that looks like no number of the ring
    box = nonce + aesgcm.encrypt(nonce, text.encode(), CONTEXT.encode())
    legacy = nonce + aesgcm.encrypt(nonce, text.encode(), None)
    row, in_hand, token = (
        ring.encrypt_field(text, CONTEXT),
        encrypt_field(text, key, CONTEXT),
        fernet.encrypt(text.encode()),
    )

    def bare(cipher: AESGCM) -> str:
        return cipher.decrypt(box[:12], box[12:], CONTEXT.encode()).decode()

    return {
        BASE: lambda: bare(aesgcm),
        "ring.decrypt_field": lambda: ring.decrypt_field(row, CONTEXT),
        "ring.decrypt_field, older data": lambda: ring.decrypt_field(legacy, CONTEXT),
        "decrypt_field, KeyMaterial": lambda: decrypt_field(in_hand, material, CONTEXT),
        "AESGCM, made each time": lambda: bare(AESGCM(key)),
        "decrypt_field, key as bytes": lambda: decrypt_field(in_hand, key, CONTEXT),
        "Fernet": lambda: fernet.decrypt(token).decode(),
    }


def measured(calls: Calls, rounds: int) -> dict[str, tuple[float, float, list[float]]]:
    """For each its median in microseconds, how many times as fast as the first it is, and the quartiles of that."""
    base = next(iter(calls))
    times = {name: max(1, int(SECONDS_A_TURN / max(seconds_for_one(call, 3), 1e-7))) for name, call in calls.items()}
    turns: list[dict[str, float]] = [
        {name: seconds_for_one(call, times[name]) for name, call in calls.items()} for _ in range(rounds)
    ]
    found = {}
    for name in calls:
        low, ratio, high = statistics.quantiles((turn[base] / turn[name] for turn in turns), method="inclusive")
        microseconds = round(statistics.median(turn[name] for turn in turns) * 1e6, 3)
        found[name] = microseconds, round(ratio, 3), [round(low, 3), round(high, 3)]
    return found


def seconds_for_one(call: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times


if __name__ == "__main__":
    main()
