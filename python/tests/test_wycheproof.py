"""Wycheproof's vectors for AES-GCM: the cases that the format can spell, as the TypeScript side runs them too."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pazpaz_keys import KeyMaterial, decrypt_bytes
from pazpaz_keys.ciphertext import seal
from pazpaz_keys.varint import read_varint
from ring_words import code_of

PATH = Path(__file__).parents[2] / "vectors" / "wycheproof" / "aes_gcm_test.json"
CASES: list[dict[str, Any]] = [
    case for group in json.loads(PATH.read_text("utf-8"))["testGroups"] for case in group["tests"]
]


COUNTS = {
    "a key of 128 bits": 108,
    "a key of 192 bits": 103,
    "a nonce of another length than 12 bytes": 39,
    "additional data that is not a number and a context": 18,
    "invalid, older data": 27,
    "valid, older data": 21,
}


class Spelled(NamedTuple):
    """A case as a row: older data where it has no additional data, else a number and a context."""

    row: bytes
    number: int | None
    context: str


def spelled(case: dict[str, Any]) -> Spelled | str:
    """The case in our format, or why the format cannot spell it."""
    box = bytes.fromhex(case["iv"] + case["ct"] + case["tag"])
    if len(case["key"]) != 64:
        return f"a key of {len(case['key']) * 4} bits"
    if len(case["iv"]) != 24:
        return "a nonce of another length than 12 bytes"
    data = bytes.fromhex(case["aad"])
    if not data:
        return Spelled(box, None, "")
    header = read_varint(data)
    try:
        context = None if header is None else data[header[1] :].decode("utf-8")
    except UnicodeDecodeError:
        context = None
    if header is None or context is None:
        return "additional data that is not a number and a context"
    return Spelled(data[: header[1]] + box, header[0], context)


def kind_of(case: dict[str, Any]) -> str:
    found = spelled(case)
    if isinstance(found, str):
        return found
    return f"{case['result']}, {'older data' if found.number is None else 'numbered'}"


def test_the_cases_that_the_format_can_spell_and_the_others_are_these_many() -> None:
    assert Counter(kind_of(case) for case in CASES) == COUNTS


ROWS = [(case, found) for case in CASES if not isinstance(found := spelled(case), str)]


@pytest.mark.parametrize(("case", "found"), ROWS, ids=[f"case {case['tcId']}: {case['result']}" for case, _ in ROWS])
def test_wycheproof(case: dict[str, Any], found: Spelled) -> None:
    key = bytes.fromhex(case["key"])
    if case["result"] != "valid":
        assert code_of(decrypt_bytes, found.row, key, found.context) == "DECRYPTION_FAILED"
        return
    plaintext = bytes.fromhex(case["msg"])
    assert decrypt_bytes(found.row, key, found.context) == plaintext
    if found.number is not None:
        nonce = bytes.fromhex(case["iv"])
        assert seal(plaintext, KeyMaterial(key), found.number, found.context.encode(), nonce) == found.row
