"""Data as the application wrote it before this system, by code of the tests' own."""

import base64
import json
import os
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def old_box(key: bytes, text: str, nonce: bytes) -> bytes:
    return nonce + AESGCM(key).encrypt(nonce, text.encode(), None)


def _json(box: bytes, indent: int | None = None) -> bytes:
    form = {"version": "v3", "ciphertext": base64.b64encode(box).decode(), "algorithm": "AES-256-GCM"}
    return json.dumps(form, indent=indent).encode()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "a": lambda box: box,
    "b": lambda box: b"v1:" + box,
    "c": lambda box: b"v7:" + base64.b64encode(box),
    "d": _json,
    "d, laid out": lambda box: _json(box, 2),
    "e": lambda box: json.dumps({"data": "v2:" + base64.b64encode(box).decode()}).encode(),
}
"""The forms of docs/format.md."""


def old_rows(key: bytes) -> Iterator[tuple[bytes, str]]:
    """Rows in every form, among them nonces that begin with each possible byte and with ``v1:``."""
    starts = [bytes([byte]) for byte in range(256)] + [b"v1:", b"v12:", b'{"version":']
    for index, start in enumerate(starts):
        text = f"text {index}"
        box = old_box(key, text, (start + os.urandom(12))[:12])
        yield box, text
        if index % 2 == 0:
            for form in ("b", "c", "d" if index % 4 else "d, laid out", "e"):
                yield FORMS[form](box), text
    yield old_box(key, "", os.urandom(12)), ""
