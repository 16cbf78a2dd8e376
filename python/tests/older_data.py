"""Data as the application wrote it before this system, by code of the tests' own."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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


class OlderCell(NamedTuple):
    """A cell that a column type reads, a text or bytes, with the kind of the type and the storage of the column."""

    kind: str
    storage: str
    cell: str | bytes
    value: Any


def older_cells(key: bytes, text: str) -> list[OlderCell]:
    """The cells of every form that the column types of each ORM must read."""
    card = {"number": "4111"}
    box = old_box(key, text, b"\x07" * 12)
    box_of_card = old_box(key, json.dumps(card), b"\x07" * 12)
    in_base64 = base64.b64encode(box).decode()
    forms_of_text = [FORMS[form](box).decode() for form in ("c", "d", "d, laid out", "e")]
    strings = [json.dumps(cell) for cell in (in_base64, f"v1:{in_base64}", *forms_of_text)]
    objects = [json.dumps({"data": f"v1:{in_base64}"}), *forms_of_text[1:]]
    return [
        *(OlderCell("text", "bytea", form(box), text) for form in FORMS.values()),
        *(OlderCell("text", "text", cell, text) for cell in (in_base64, *forms_of_text)),
        *(OlderCell("text", storage, cell, text) for storage in ("json", "jsonb") for cell in (*strings, *objects)),
        *(OlderCell("JSON", "bytea", form(box_of_card), card) for form in FORMS.values()),
        *(OlderCell("JSON", storage, FORMS["e"](box_of_card).decode(), card) for storage in ("json", "jsonb")),
        *(OlderCell("bytes", "bytea", form(box), text.encode()) for form in FORMS.values()),
        OlderCell("bytes", "text", in_base64, text.encode()),
    ]
