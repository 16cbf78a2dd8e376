"""What a thread that runs an event loop does not do itself: try large rows in every form with every key."""

import asyncio
import base64
import gc
import json
import os
from contextlib import suppress
from typing import Any

import pytest

from clocks import MovedClock
from older_data import FORMS, old_box
from pazpaz_keys import KeyRing, KeyRotationError, ciphertext, encrypted_cell, legacy_forms
from pazpaz_keys.encrypted_cell import BYTES, TEXT, EncryptedCell, Storage
from ring_world import KEYS, World

LARGE = "x" * 3_000_000


@pytest.fixture
def ring(world: World[MovedClock]) -> KeyRing:
    ring = world.with_keys(*KEYS[:3]).open()
    ring.warm()
    return ring


def in_a_loop(act: Any) -> Any:
    async def main() -> Any:
        return act()

    return asyncio.run(main())


def refusal(ring: KeyRing, row: bytes) -> KeyRotationError:
    with pytest.raises(KeyRotationError) as error:
        in_a_loop(lambda: ring.decrypt_field(row))
    return error.value


START = b'{"data":"AAAA","list":'
FORGED = {
    "many members": START + b"[0" + b",0" * 100_000 + b"]}",
    "deep": START + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a long text": START + b'"' + b"x" * 2_000_000 + b'"}',
    "base64": b"v1:" + base64.b64encode(os.urandom(3_000_000)),
    "bytes": b"\x7f" + os.urandom(6_000_000),
    "bytes of the current key": b"\x03" + os.urandom(6_000_000),
    "no number": b"\x00" + os.urandom(6_000_000),
}


@pytest.mark.parametrize("form", FORGED)
def test_a_large_row_that_its_own_key_does_not_open_is_not_tried_in_an_event_loop(
    ring: KeyRing, form: str, monkeypatch: pytest.MonkeyPatch, world: World[MovedClock]
) -> None:
    attempts: list[int] = []
    opened = ciphertext._open_box
    monkeypatch.setattr(ciphertext, "_open_box", lambda *call: attempts.append(1) or opened(*call))  # type: ignore[func-returns-value]
    monkeypatch.setattr(legacy_forms, "json_object_texts", lambda *_: pytest.fail("parsed in an event loop"))
    world.forget_calls()
    error = refusal(ring, FORGED[form])
    assert error.code == "KEY_UNAVAILABLE"
    assert "asyncio.to_thread" in str(error)
    assert len(attempts) <= 1
    assert world.secret.calls == []


@pytest.mark.parametrize("lists", [b"[" * 4000 + b"]" * 4000, b"[[]" + b",[]" * 2600 + b"]"])
def test_no_small_row_wakes_the_garbage_collector_which_may_hold_an_event_loop_for_long(
    ring: KeyRing, lists: bytes
) -> None:
    row, collections = START + lists + b"}", []
    refusal(ring, row)
    gc.collect()
    gc.callbacks.append(count := lambda phase, _: collections.append(phase))
    try:
        for _ in range(10):
            with suppress(KeyRotationError):
                ring.decrypt_bytes(row)
    finally:
        gc.callbacks.remove(count)
    assert len(collections) <= 2  # one that was due anyway begins and ends


@pytest.mark.parametrize("form", FORMS)
def test_a_large_row_of_older_data_is_read_in_a_thread(ring: KeyRing, form: str) -> None:
    row = FORMS[form](old_box(KEYS[0], LARGE * 2, b"\x7f" * 12))
    assert refusal(ring, row).code == "KEY_UNAVAILABLE"
    assert asyncio.run(thread_of(ring, row)) == LARGE * 2


async def thread_of(ring: KeyRing, row: bytes) -> str:
    return await asyncio.to_thread(ring.decrypt_field, row)


def test_a_large_row_of_the_ring_and_small_older_ones_are_read_in_an_event_loop(ring: KeyRing) -> None:
    assert in_a_loop(lambda: ring.decrypt_field(ring.encrypt_field(LARGE * 2))) == LARGE * 2
    for form in FORMS.values():
        row = form(old_box(KEYS[1], "x" * 100_000, b"\x7f" * 12))
        assert in_a_loop(lambda row=row: ring.decrypt_field(row)) == "x" * 100_000


def test_the_cell_of_a_json_column_is_not_parsed_in_an_event_loop_if_that_takes_long(ring: KeyRing) -> None:
    cell: EncryptedCell[str] = EncryptedCell(TEXT, "a", "jsonb", "data", ring)
    read = cell.reader(lambda error, _: error)
    value = json.dumps({"data": base64.b64encode(ring.encrypt_field("note", "a")).decode(), "list": [0] * 100_000})
    assert read(value) == "note"
    with pytest.raises(KeyRotationError, match="to_thread"):
        in_a_loop(lambda: read(value))


LARGE_CELLS: dict[str, Any] = {
    "bytea": b"\x03" + bytes(17 << 20),
    "text": "A" * (5 << 20),
    "jsonb": {"data": "A" * (5 << 20)},
}


@pytest.mark.parametrize("storage", LARGE_CELLS)
@pytest.mark.parametrize("context", ["a", "a:{id}"])
def test_a_cell_that_is_too_large_for_one_attempt_is_not_tried_in_an_event_loop(
    ring: KeyRing, storage: Any, context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = EncryptedCell(BYTES, context, storage, "data" if storage == "jsonb" else None, ring).reader(
        lambda error, _: error
    )
    found = LARGE_CELLS[storage]
    if context != "a":
        found = b"row:=7\0" + (found if storage == "bytea" else json.dumps(found).encode())
    monkeypatch.setattr(ciphertext, "_open_box", lambda *_: pytest.fail("tried in an event loop"))
    monkeypatch.setattr(encrypted_cell, "a2b_base64", lambda *_: pytest.fail("decoded in an event loop"))
    with pytest.raises(KeyRotationError, match="to_thread") as error:
        in_a_loop(lambda: read(found))
    assert error.value.code == "KEY_UNAVAILABLE"


def test_a_large_cell_is_read_in_a_thread(ring: KeyRing) -> None:
    plaintext = bytes(17 << 20)
    storages: list[Storage] = ["bytea", "text"]
    for storage in storages:
        cell: EncryptedCell[bytes] = EncryptedCell(BYTES, "a", storage, None, ring)
        written = cell.writer(lambda error, _: error)(plaintext)
        assert cell.reader(lambda error, _: error)(written) == plaintext


def test_halves_of_surrogate_pairs_are_not_replaced_in_an_event_loop(ring: KeyRing) -> None:
    cell: EncryptedCell[str] = EncryptedCell(TEXT, "a", "json", "data", ring)
    with pytest.raises(KeyRotationError, match="to_thread"):
        in_a_loop(lambda: cell.decrypted({"data": "\ud800" * 100_000}, "a"))


LINES = "A\n" * 2**19 + "A"


@pytest.mark.parametrize(
    ("storage", "forged"),
    [("text", LINES), ("jsonb", LINES), ("jsonb", {"data": LINES}), ("jsonb", '"' + "\\n" * 2**19 + '"')],
)
def test_a_cell_of_many_lines_is_not_joined_in_an_event_loop(
    ring: KeyRing, storage: Any, forged: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell: EncryptedCell[str] = EncryptedCell(TEXT, "a", storage, None, ring)
    for name in ("row_from_text", "row_from_json"):
        monkeypatch.setattr(encrypted_cell, name, lambda *_: pytest.fail("joined in an event loop"))
    with pytest.raises(KeyRotationError, match="to_thread") as error:
        in_a_loop(lambda: cell.decrypted(forged, "a"))
    assert error.value.code == "KEY_UNAVAILABLE"


@pytest.mark.parametrize("value", ["x" * (8 << 20), b"x" * (8 << 20)])
def test_what_takes_long_to_encrypt_is_refused_in_an_event_loop_and_encrypted_in_a_thread(
    ring: KeyRing, value: str | bytes
) -> None:
    assert ring.decrypt_bytes(in_a_loop(lambda: ring.encrypt_field(value)))[:1] == b"x"
    more = value + value[:1]  # type: ignore[operator]
    column: EncryptedCell[bytes] = EncryptedCell(BYTES, "notes", "bytea", None, ring)
    write = column.writer(lambda error, _: error)
    for act in (lambda: ring.encrypt_field(more), lambda: write(more if isinstance(more, bytes) else more.encode())):
        with pytest.raises(KeyRotationError) as error:
            in_a_loop(act)
        assert error.value.code == "INVALID_TEXT"
        assert "asyncio.to_thread" in str(error.value)
        assert act()
