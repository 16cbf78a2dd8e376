"""What holds for every field, key, value and row, tried on those that hypothesis comes up with."""

import base64
import binascii
import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import MovedClock
from older_data import FORMS, old_box
from pazpaz_keys import (
    ErrorCode,
    InvalidKeyValueError,
    KeyMaterial,
    KeyRing,
    KeyRotationError,
    Settings,
    decrypt_bytes,
    decrypt_field,
    encrypt_field,
)
from pazpaz_keys.json_object import _deep_object_members, json_object_members
from pazpaz_keys.key_number import MAX_KEY_NUMBER
from pazpaz_keys.key_value import read_key_value
from pazpaz_keys.strict_base64 import decode_strict_base64
from pazpaz_keys.varint import read_varint, write_varint
from secret_in_memory import secret_with

KEYS = tuple(bytes([byte]) * 32 for byte in b"abc")
THE_FOUR = {"TAMPERED_OR_WRONG_CONTEXT", "KEY_RETIRED", "KEY_NEVER_ISSUED", "KEY_UNAVAILABLE"}

contexts = st.text(max_size=40)
keys = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 300) | st.integers(0, MAX_KEY_NUMBER)
anything = st.text(st.characters(), max_size=60)  # halves of surrogate pairs too


@pytest.fixture(scope="module")
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module")
def ring(clock: MovedClock) -> KeyRing:
    """A ring of three keys. The clock is moved before each row, or a number that no one knows would wait its turn."""
    return KeyRing.open(Settings("staging", "us-east-1", "name", None), client=secret_with(*KEYS), clock=clock)


def failure_of(act: Callable[[], object]) -> KeyRotationError:
    with pytest.raises(KeyRotationError) as error:
        act()
    assert error.value.code in get_args(ErrorCode)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    return error.value


def printed(error: KeyRotationError) -> str:
    """The error in words, and the local variables of our own calls, as a reporter of errors shows them."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [str(frame.locals) for frame in shown.stack if "pazpaz_keys" in frame.filename]
    return "\n".join([str(error), repr(error), *frames])


# Fields


@given(text=st.text(max_size=200), key=keys, context=contexts, number=numbers)
def test_a_text_comes_back_whatever_text_context_and_number_it_has(
    text: str, key: bytes, context: str, number: int
) -> None:
    row = encrypt_field(text, key, context, number=number)
    assert len(row) == len(write_varint(number)) + 28 + len(text.encode())
    assert decrypt_field(row, key, context, legacy=False) == text
    assert decrypt_field(memoryview(row), KeyMaterial(key), context) == text  # type: ignore[arg-type]


@given(plaintext=st.binary(max_size=200), key=keys, context=contexts, number=numbers)
def test_bytes_come_back(plaintext: bytes, key: bytes, context: str, number: int) -> None:
    assert decrypt_bytes(encrypt_field(plaintext, key, context, number=number), key, context) == plaintext


@given(text=st.text(max_size=200), context=contexts)
def test_a_ring_gives_a_text_back(ring: KeyRing, text: str, context: str) -> None:
    assert ring.decrypt_field(ring.encrypt_field(text, context), context) == text


@given(text=st.text(max_size=60), context=contexts, number=numbers, chosen=st.data())
def test_a_changed_bit_is_a_failed_decryption(text: str, context: str, number: int, chosen: st.DataObject) -> None:
    row = with_a_bit_changed(encrypt_field(text, KEYS[0], context, number=number), chosen)
    assert failure_of(lambda: decrypt_bytes(row, KEYS[0], context)).code == "DECRYPTION_FAILED"


@given(text=st.text(max_size=60), context=contexts, number=st.integers(0, 3), chosen=st.data())
def test_a_ring_calls_a_changed_bit_tampering_unless_the_row_names_no_key_of_the_ring(
    ring: KeyRing, clock: MovedClock, text: str, context: str, number: int, chosen: st.DataObject
) -> None:
    clock.ahead += 4
    row = with_a_bit_changed(encrypt_field(text, KEYS[max(0, number - 1)], context, number=number), chosen)
    header = read_varint(row)
    is_known, is_next = header is None or header[0] <= 3, header is not None and header[0] == 4
    code = failure_of(lambda: ring.decrypt_bytes(row, context)).code
    unknown = "KEY_UNAVAILABLE" if is_next else "KEY_NEVER_ISSUED"
    assert code == ("TAMPERED_OR_WRONG_CONTEXT" if is_known else unknown)


def with_a_bit_changed(row: bytes, chosen: st.DataObject) -> bytes:
    bit = chosen.draw(st.integers(0, len(row) * 8 - 1), "bit")
    changed = bytearray(row)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(text=st.text(max_size=60), context=contexts, other=contexts)
def test_another_context_is_a_failed_decryption(ring: KeyRing, text: str, context: str, other: str) -> None:
    row = ring.encrypt_field(text, context)
    if other != context:
        assert failure_of(lambda: ring.decrypt_field(row, other)).code == "TAMPERED_OR_WRONG_CONTEXT"


@given(rubbish=st.binary(max_size=120), context=contexts)
def test_rubbish_gives_one_of_the_four_codes(ring: KeyRing, clock: MovedClock, rubbish: bytes, context: str) -> None:
    clock.ahead += 4
    too_short = {"INVALID_CIPHERTEXT"}
    code = failure_of(lambda: ring.decrypt_bytes(rubbish, context)).code
    assert code in (too_short if len(rubbish) < 28 else THE_FOUR)
    code = failure_of(lambda: decrypt_bytes(rubbish, KEYS[0], context)).code
    assert code in (too_short if len(rubbish) < 28 else {"DECRYPTION_FAILED"})


@given(text=anything, context=anything)
def test_what_is_no_unicode_is_refused_before_anything_is_written(ring: KeyRing, text: str, context: str) -> None:
    if is_well_formed(text) and is_well_formed(context):
        assert ring.decrypt_field(ring.encrypt_field(text, context), context) == text
    else:
        assert failure_of(lambda: ring.encrypt_field(text, context)).code == "INVALID_TEXT"
        assert failure_of(lambda: encrypt_field(text, KEYS[0], context)).code == "INVALID_TEXT"


def is_well_formed(text: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


# Data from before


@given(
    text=st.text(max_size=60),
    nonce=st.binary(min_size=12, max_size=12),
    key=st.sampled_from(KEYS),
    form=st.sampled_from(sorted(FORMS)),
    context=contexts,
)
def test_older_data_is_read_in_every_form_under_any_key_of_the_ring(
    ring: KeyRing, clock: MovedClock, text: str, nonce: bytes, key: bytes, form: str, context: str
) -> None:
    clock.ahead += 4
    row = FORMS[form](old_box(key, text, nonce))
    assert ring.decrypt_field(row, context) == text
    assert decrypt_field(row, key, context) == text
    assert failure_of(lambda: decrypt_field(row, key, context, legacy=False)).code == "DECRYPTION_FAILED"


# Numbers


@given(number=numbers, rest=st.binary(max_size=8))
def test_a_number_has_one_spelling_the_shortest(number: int, rest: bytes) -> None:
    spelled = write_varint(number)
    assert len(spelled) == max(1, (number.bit_length() + 6) // 7)
    assert read_varint(spelled + rest) == (number, len(spelled))
    padded = spelled[:-1] + bytes([spelled[-1] | 0x80, 0])
    assert read_varint(padded + rest) is None


@given(data=st.binary(max_size=12))
def test_whatever_reads_as_a_number_is_what_a_writer_writes(data: bytes) -> None:
    header = read_varint(data)
    if header is not None:
        assert write_varint(header[0]) == data[: header[1]]


@given(number=st.integers(max_value=-1) | st.integers(min_value=MAX_KEY_NUMBER + 1))
def test_other_numbers_are_not_written(number: int) -> None:
    assert failure_of(lambda: encrypt_field("text", KEYS[0], number=number)).code == "INVALID_KEY_NUMBER"


# Values of secrets

CANARY = "cAnArYkEyMaTeRiAl"

near_base64 = st.text("ABCxyz059+/=-_ \n", max_size=80)
spellings_of_keys = st.one_of(
    keys.map(lambda key: base64.b64encode(key).decode()),
    keys.map(bytes.hex),
    st.binary(max_size=48).map(lambda key: base64.b64encode(key).decode()),
    near_base64,
    anything,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | anything | spellings_of_keys,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["encryption_key", "a", "\0"]) | anything, inner, max_size=4)
    ),
    max_leaves=8,
)
values = st.one_of(
    spellings_of_keys,
    json_values.map(json.dumps),
    spellings_of_keys.map(lambda spelled: json.dumps({"encryption_key": spelled, "created_at": "2025-01-01"})),
    st.tuples(json_values.map(json.dumps), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
)


@given(value=values)
def test_a_value_is_a_key_of_32_bytes_or_an_invalid_key_value(value: str) -> None:
    found = None
    with suppress(InvalidKeyValueError):
        found = read_key_value(value).export_bytes()
    if found is None:
        assert failure_of(lambda: read_key_value(value)).code == "INVALID_KEY_VALUE"
    else:
        assert len(found) == 32


@given(value=st.binary(max_size=80))
def test_a_binary_value_is_a_key_where_it_has_32_bytes(value: bytes) -> None:
    if len(value) == 32:
        assert read_key_value(None, value).export_bytes() == value
    else:
        assert isinstance(failure_of(lambda: read_key_value(None, value)), ValueError)


@given(before=values, after=values, binary=st.binary(max_size=40))
def test_an_error_about_a_value_never_holds_the_value(before: str, after: str, binary: bytes) -> None:
    shown = printed(failure_of(lambda: read_key_value(before + CANARY + after)))
    shown += printed(failure_of(lambda: read_key_value(None, CANARY.encode() + b"\xff" * 32 + binary)))
    assert CANARY not in shown


@given(data=st.binary(max_size=60), text=near_base64 | anything)
def test_strict_base64_has_one_spelling_for_every_bytes(data: bytes, text: str) -> None:
    assert decode_strict_base64(binascii.b2a_base64(data, newline=False).decode()) == data
    decoded = decode_strict_base64(text)
    if decoded is not None:
        assert base64.b64encode(decoded).decode() == text


@given(members=st.dictionaries(anything, json_values, max_size=4), indent=st.none() | st.integers(0, 3))
def test_the_members_of_a_json_object_are_those_that_were_written(
    members: dict[str, object], indent: int | None
) -> None:
    text = json.dumps(members, indent=indent)
    if "NaN" in text or "Infinity" in text:
        return  # Python writes these, JSON has none
    found = json_object_members(text)
    assert found is not None
    strings = [(name, value if isinstance(value, str) else None) for name, value in members.items()]
    assert [joined(member) for member in found] == [joined(member) for member in strings]
    by_token = _deep_object_members(text)
    assert by_token is not None
    assert [joined(member) for member in by_token] == [joined(member) for member in found]


def joined(member: tuple[str, str | None]) -> str:
    """Two halves of a surrogate pair that stand side by side become one character when JSON is read."""
    return json.dumps(member)


# Errors

secrets = st.text("bcdfghjk", min_size=12, max_size=12)
other_contexts = st.text("0123456789:")  # anyone who reports an error may show a context
damages = st.sampled_from(["bit", "cut", "context", "key", "text"])


@given(secret=secrets, key=keys, context=other_contexts, damage=damages)
def test_no_error_holds_a_key_or_a_plaintext(ring: KeyRing, secret: str, key: bytes, context: str, damage: str) -> None:
    plaintext = secret.encode() + (b"\xff" if damage == "text" else b"")
    row = encrypt_field(plaintext, key, context)
    given_key, given_context = key, context
    if damage == "bit":
        row = row[:-1] + bytes([row[-1] ^ 1])
    elif damage == "cut":
        row = row[:20]
    elif damage == "context":
        given_context += "x"
    elif damage == "key":
        given_key = key[:-1]
    shown = printed(failure_of(lambda: decrypt_field(row, given_key, given_context)))
    shown += printed(failure_of(lambda: encrypt_field(secret + "\ud800", key, context)))
    shown += printed(failure_of(lambda: encrypt_field(secret, key + b"x", context)))
    shown += printed(failure_of(lambda: ring.encrypt_field(secret + "\ud800", context)))
    for hidden in (secret, secret.encode().hex(), base64.b64encode(key).decode()[:20], key.hex(), repr(key)[2:-1]):
        assert hidden not in shown
