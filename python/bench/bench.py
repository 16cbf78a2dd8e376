"""Beside cryptography's own AESGCM and Fernet: python/check --bench. Medians of rounds that take turns."""

import base64
import os
import platform
import statistics
import time
from collections.abc import Callable

import cryptography
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pazpaz_keys import KeyMaterial, KeyRing, Settings, decrypt_field, encrypt_field
from pazpaz_keys.keys_at_hand import KeysAtHand

ROUNDS = 25
SECONDS_A_ROUND = 0.02
CONTEXT = "patients:7:note"


def seconds_for_one(call: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def compare(title: str, calls: dict[str, Callable[[], object]]) -> None:
    times = {name: max(1, int(SECONDS_A_ROUND / max(seconds_for_one(call, 100), 1e-9))) for name, call in calls.items()}
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            measured[name].append(seconds_for_one(call, times[name]))
    medians = {name: statistics.median(values) for name, values in measured.items()}
    base = medians["AESGCM"]
    print(title)
    for name, median in medians.items():
        print(f"  {name:<34} {median * 1e6:8.2f} µs   {base / median:5.2f} times as fast as AESGCM")


def main() -> None:
    print(f"Python {platform.python_version()}, cryptography {cryptography.__version__}")
    key = os.urandom(32)
    material = KeyMaterial(key)
    ring = KeyRing.open(Settings("local", None, None, material))
    aesgcm, fernet = AESGCM(key), Fernet(base64.urlsafe_b64encode(key))
    additional = CONTEXT.encode()
    warm = three_keys(material)

    for size in (20, 200, 2000):
        text = "x" * size
        plaintext = text.encode()

        def bare_encrypt(plaintext: bytes = plaintext) -> bytes:
            nonce = os.urandom(12)
            return nonce + aesgcm.encrypt(nonce, plaintext, additional)

        box, token = bare_encrypt(), fernet.encrypt(plaintext)
        row, numbered = ring.encrypt_field(text, CONTEXT), encrypt_field(text, material, CONTEXT, number=3)
        legacy = aesgcm_box(aesgcm, plaintext)
        compare(
            f"encrypting {size} bytes",
            {
                "AESGCM": bare_encrypt,
                "ring.encrypt_field": lambda text=text: ring.encrypt_field(text, CONTEXT),  # type: ignore[misc]
                "encrypt_field, key made once": lambda text=text: encrypt_field(text, material, CONTEXT),  # type: ignore[misc]
                "encrypt_field, key as bytes": lambda text=text: encrypt_field(text, key, CONTEXT),  # type: ignore[misc]
                "Fernet": lambda plaintext=plaintext: fernet.encrypt(plaintext),  # type: ignore[misc]
            },
        )
        compare(
            f"decrypting {size} bytes",
            {
                "AESGCM": lambda box=box: aesgcm.decrypt(box[:12], box[12:], additional).decode(),  # type: ignore[misc]
                "ring.decrypt_field": lambda row=row: ring.decrypt_field(row, CONTEXT),  # type: ignore[misc]
                "ring of three, numbered": lambda row=numbered: warm.decrypt_field(row, CONTEXT),  # type: ignore[misc]
                "ring of three, older data": lambda row=legacy: warm.decrypt_field(row, CONTEXT),  # type: ignore[misc]
                "decrypt_field, key made once": lambda row=row: decrypt_field(row, material, CONTEXT),  # type: ignore[misc]
                "decrypt_field, key as bytes": lambda row=row: decrypt_field(row, key, CONTEXT),  # type: ignore[misc]
                "Fernet": lambda token=token: fernet.decrypt(token).decode(),  # type: ignore[misc]
            },
        )


def aesgcm_box(aesgcm: AESGCM, plaintext: bytes) -> bytes:
    """Older data whose nonce looks like no number of the ring."""
    nonce = b"\x7f" + os.urandom(11)
    return nonce + aesgcm.encrypt(nonce, plaintext, None)


def three_keys(material: KeyMaterial) -> KeyRing:
    """A ring with keys 1 to 3 at hand, the last of them ``material``, as after two rotations."""
    ring = KeyRing.open(Settings("local", None, None, KeyMaterial(os.urandom(32))))
    keys = KeysAtHand()
    for key in (KeyMaterial(os.urandom(32)), KeyMaterial(os.urandom(32)), material):
        keys.add(key)
    keys.of_number = {1: keys.in_order[0], 2: keys.in_order[1], 3: material}
    ring._keys = keys
    return ring


if __name__ == "__main__":
    main()
