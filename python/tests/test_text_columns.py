"""Rows in columns of the types text and jsonb."""

import base64
import itertools
import re

import pytest

from older_data import FORMS, old_box
from pazpaz_keys import KeyMaterial, KeyRing, KeyRotationError, Settings, row_from_json, row_from_text
from pazpaz_keys.encrypted_cell import TEXT, EncryptedCell

KEY = bytes(range(32))
RING = KeyRing.open(Settings("local", None, None, KeyMaterial(KEY)))


def test_a_row_of_today_is_read_from_its_base64() -> None:
    cell = base64.b64encode(RING.encrypt_field("text", "a")).decode()
    assert RING.decrypt_field(row_from_text(cell), "a") == "text"


@pytest.mark.parametrize("form", ["c", "d", "d, laid out"])
def test_older_data_is_read_from_the_text_that_it_is(form: str) -> None:
    cell = FORMS[form](old_box(KEY, "text", bytes(range(12)))).decode()
    assert RING.decrypt_field(row_from_text(cell)) == "text"


def test_a_text_where_the_type_stores_bytea_names_the_storage_of_the_type() -> None:
    cell: EncryptedCell[str] = EncryptedCell(TEXT, "a", "bytea", None, RING)
    for stored in ["\\x00ac", "bm90ZQ=="]:
        with pytest.raises(KeyRotationError, match="storage='text'") as caught:
            cell.reader(lambda error, _: error)(stored)
        assert caught.value.code == "INVALID_CIPHERTEXT"


def test_what_is_no_strict_base64_is_the_bytes_of_the_text() -> None:
    assert row_from_text("v1:AAAA") == b"v1:AAAA"
    assert row_from_text("AAA") == b"AAA"
    assert row_from_text("A A=") == b"A A="
    assert row_from_text("\ud800") == b"\xef\xbf\xbd"
    assert row_from_text("") == b""


LINES = re.compile(r"[A-Za-z0-9+/]+(?:(?:\n[A-Za-z0-9+/=]+)+\n?|(?:\r\n[A-Za-z0-9+/=]+)+(?:\r\n)?)")


def test_lines_of_base64_are_joined_and_nothing_else_is() -> None:
    for parts in itertools.product(["AA", "A", "=", "\n", "\r\n", "\r", " "], repeat=6):
        text = "".join(parts)
        joined = re.sub("\r?\n", "", text) if LINES.fullmatch(text) else text
        try:
            decoded = base64.b64decode(joined, validate=True)
            is_strict = base64.b64encode(decoded).decode() == joined
        except ValueError:
            is_strict = False
        assert row_from_text(text) == (decoded if is_strict else text.encode()), parts


@pytest.mark.parametrize("text", ["", "text"])
def test_rows_in_a_member_of_a_jsonb_value_are_read(text: str) -> None:
    ours = base64.b64encode(RING.encrypt_field(text, "a")).decode()
    assert RING.decrypt_field(row_from_json({"data": ours}), "a") == text
    assert RING.decrypt_field(row_from_json({"card": ours, "data": 1}, "card"), "a") == text
    older = "v1:" + base64.b64encode(old_box(KEY, text, bytes(range(12)))).decode()
    assert RING.decrypt_field(row_from_json({"data": older})) == text


@pytest.mark.parametrize("value", [None, 7, True, [], [{"data": "v1:"}], b"bytes", {}, {"data": None}])
def test_other_values_hold_no_row(value: object) -> None:
    with pytest.raises(KeyRotationError) as error:
        row_from_json(value)
    assert error.value.code == "INVALID_CIPHERTEXT"
    assert '"data"' in str(error.value)
