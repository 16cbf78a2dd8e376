"""What is neither text nor bytes is refused at the door, by a code, and not quoted."""

from collections.abc import Callable
from typing import Any

import pytest

from pazpaz_keys import KeyMaterial, KeyRing, KeyRotationError, Settings, decrypt_field, encrypt_field, row_from_text
from ring_words import SENTENCE, code_of

KEY = bytes(range(32))
RING = KeyRing.open(Settings("local", None, None, KeyMaterial(KEY)))
SECRET = "canary"


class Other:
    def __repr__(self) -> str:
        return SECRET


THINGS: list[Any] = [None, 5, 100, 2.5, True, [SECRET], {"a": SECRET}, Other(), object]


def ids(thing: object) -> str:
    return type(thing).__name__


@pytest.mark.parametrize("thing", THINGS, ids=ids)
def test_what_is_no_plaintext_no_context_no_ciphertext_and_no_key_has_a_code(thing: Any) -> None:
    row = encrypt_field(SENTENCE, KEY)
    doors: list[tuple[str, Callable[[], object]]] = [
        ("INVALID_TEXT", lambda: encrypt_field(thing, KEY)),
        ("INVALID_TEXT", lambda: encrypt_field(SENTENCE, KEY, thing)),
        ("INVALID_TEXT", lambda: RING.encrypt_field(thing)),
        ("INVALID_TEXT", lambda: RING.encrypt_field(SENTENCE, thing)),
        ("INVALID_TEXT", lambda: decrypt_field(row, KEY, thing)),
        ("INVALID_TEXT", lambda: RING.decrypt_field(row, thing)),
        ("INVALID_CIPHERTEXT", lambda: decrypt_field(thing, KEY)),
        ("INVALID_CIPHERTEXT", lambda: RING.decrypt_field(thing)),
        ("INVALID_CIPHERTEXT", lambda: row_from_text(thing)),
        ("INVALID_KEY_VALUE", lambda: encrypt_field(SENTENCE, thing)),
        ("INVALID_KEY_VALUE", lambda: decrypt_field(row, thing)),
        ("INVALID_KEY_VALUE", lambda: KeyMaterial(thing)),
    ]
    for code, door in doors:
        with pytest.raises(KeyRotationError) as error:
            door()
        assert error.value.code == code
        assert SECRET not in str(error.value)


def test_a_text_is_no_ciphertext_and_no_key_and_the_error_says_what_to_do() -> None:
    with pytest.raises(KeyRotationError, match="row_from_text decodes it first"):
        RING.decrypt_field("AAAA" * 20)  # type: ignore[arg-type]
    with pytest.raises(KeyRotationError, match="decode base64 first") as error:
        encrypt_field(SENTENCE, "x" * 32)  # type: ignore[arg-type]
    assert "xxx" not in str(error.value)


@pytest.mark.parametrize("number", [-1, 10**9, 2.5, 3.0, None, "1", True])
def test_what_is_no_key_number_is_not_written(number: Any) -> None:
    assert code_of(lambda: encrypt_field(SENTENCE, KEY, number=number)) == "INVALID_KEY_NUMBER"


def test_one_null_in_a_batch_is_an_error_in_its_place() -> None:
    row = RING.encrypt_field(SENTENCE)
    first, second, third = RING.decrypt_fields([(row, ""), (None, ""), (row, "")])  # type: ignore[list-item]
    assert (first, third) == (SENTENCE, SENTENCE)
    assert isinstance(second, KeyRotationError)
    assert second.code == "INVALID_CIPHERTEXT"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_bytes_is_taken(kind: Callable[[bytes], Any]) -> None:
    row = RING.encrypt_field(kind(b"text"), "a")
    assert RING.decrypt_field(kind(row), "a") == "text"
    assert decrypt_field(kind(row), kind(KEY), "a") == "text"
    assert decrypt_field(encrypt_field(kind(b"text"), kind(KEY)), KEY) == "text"
