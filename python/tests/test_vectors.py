"""Every vector of vectors/, as the TypeScript side runs them too."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pazpaz_keys import (
    KeyMaterial,
    KeyRotationError,
    decrypt_bytes,
    decrypt_field,
    encrypt_field,
    load_settings,
    row_from_json,
    row_from_text,
)
from pazpaz_keys.ciphertext import seal
from pazpaz_keys.encrypted_cell import TEXT, EncryptedCell
from pazpaz_keys.key_number import number_of_label
from pazpaz_keys.key_value import read_key_value
from pazpaz_keys.process_ring import shared_ring
from pazpaz_keys.strict_base64 import decode_strict_base64
from pazpaz_keys.varint import read_varint, write_varint

VECTORS = Path(__file__).parents[2] / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


ROWS = vectors("rows.json")
NUMBERS = vectors("numbers.json")
KEYS = {name: KeyMaterial(bytes.fromhex(key)) for name, key in ROWS["keys"].items()}


def error_code(error: "pytest.ExceptionInfo[KeyRotationError]") -> str:
    return error.value.code


@pytest.mark.parametrize("vector", ROWS["rows"], ids=lambda vector: str(vector["id"]))
def test_rows_give_their_text_or_their_error(vector: dict[str, Any]) -> None:
    given = bytes.fromhex(vector["row"]), KEYS[vector["key"]], vector["context"]
    legacy = vector.get("legacy", True)
    if "text" in vector:
        assert decrypt_field(*given, legacy=legacy) == vector["text"]
    elif "bytes" in vector:
        with pytest.raises(KeyRotationError) as error:
            decrypt_field(*given, legacy=legacy)
        assert error_code(error) == "INVALID_TEXT"
        assert decrypt_bytes(*given, legacy=legacy).hex() == vector["bytes"]
    else:
        for decrypt in (decrypt_field, decrypt_bytes):
            with pytest.raises(KeyRotationError) as error:
                decrypt(*given, legacy=legacy)
            assert error_code(error) == vector["error"]


@pytest.mark.parametrize(
    "vector", [row for row in ROWS["rows"] if "writes" in row], ids=lambda vector: str(vector["id"])
)
def test_a_writer_that_is_given_number_and_nonce_writes_exactly_the_row(vector: dict[str, Any]) -> None:
    nonce = bytes.fromhex(vector["writes"]["nonce"])
    text, context = vector["text"].encode(), vector["context"].encode()
    assert seal(text, KEYS[vector["key"]], vector["writes"]["number"], context, nonce).hex() == vector["row"]


@pytest.mark.parametrize("vector", ROWS["refusedTexts"], ids=lambda vector: str(vector["id"]))
def test_texts_that_are_no_unicode_are_not_written(vector: dict[str, Any]) -> None:
    with pytest.raises(KeyRotationError) as error:
        encrypt_field(vector["text"], KEYS["guide"], vector["context"])
    assert error_code(error) == vector["error"]


@pytest.mark.parametrize("vector", NUMBERS["numbers"]["valid"], ids=lambda vector: str(vector["number"]))
def test_numbers_are_written_and_read_in_as_few_bytes_as_possible(vector: dict[str, Any]) -> None:
    header = bytes.fromhex(vector["header"])
    assert write_varint(vector["number"]) == header
    assert read_varint(header + b"more") == (vector["number"], len(header))


@pytest.mark.parametrize("header", NUMBERS["numbers"]["invalid"])
def test_other_spellings_are_no_numbers(header: str) -> None:
    assert read_varint(bytes.fromhex(header)) is None


@pytest.mark.parametrize("number", NUMBERS["numbers"]["refusedByWriters"])
def test_numbers_that_no_label_spells_are_not_written(number: int) -> None:
    with pytest.raises(KeyRotationError) as error:
        encrypt_field("text", KEYS["guide"], number=number)
    assert error_code(error) == "INVALID_KEY_NUMBER"


@pytest.mark.parametrize("vector", NUMBERS["labels"], ids=lambda vector: repr(vector["label"]))
def test_labels_give_numbers(vector: dict[str, Any]) -> None:
    assert number_of_label(vector["label"]) == vector["number"]


@pytest.mark.parametrize("vector", vectors("base64.json")["strictBase64"], ids=lambda vector: repr(vector["text"]))
def test_base64_has_one_spelling(vector: dict[str, Any]) -> None:
    decoded = decode_strict_base64(vector["text"])
    assert (None if decoded is None else decoded.hex()) == vector["bytes"]


@pytest.mark.parametrize("vector", vectors("base64.json")["textCells"], ids=lambda vector: repr(vector["text"]))
def test_cells_of_several_lines_give_their_row(vector: dict[str, Any]) -> None:
    assert row_from_text(vector["text"]).hex() == vector["row"]


@pytest.mark.parametrize("vector", vectors("json-cells.json")["jsonCells"], ids=lambda vector: str(vector["id"]))
def test_cells_of_a_json_column_give_their_row_or_their_error(vector: dict[str, Any]) -> None:
    member = vector.get("member")
    for value in (vector["json"], *parsed(vector["json"])):
        if "row" in vector:
            assert row_from_json(value, member).hex() == vector["row"]
        else:
            with pytest.raises(KeyRotationError) as error:
                row_from_json(value, member)
            assert error_code(error) == vector["error"]


def parsed(text: str) -> list[Any]:
    """The value as a driver that parses JSON gives it; nothing for what is not JSON."""
    with suppress(ValueError):
        return [json.loads(text, parse_constant=int)]  # which refuses NaN
    return []


@pytest.mark.parametrize("vector", vectors("key-values.json")["keyValues"], ids=lambda vector: str(vector["id"]))
def test_values_of_a_secret_give_their_key_or_their_error(vector: dict[str, Any]) -> None:
    binary = bytes.fromhex(vector["binary"]) if "binary" in vector else None
    if "key" in vector:
        assert read_key_value(vector.get("string"), binary).export_bytes().hex() == vector["key"]
    else:
        with pytest.raises(KeyRotationError) as error:
            read_key_value(vector.get("string"), binary)
        assert error_code(error) == vector["error"]
        assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("vector", vectors("settings.json")["settings"], ids=lambda vector: str(vector["id"]))
def test_environment_variables_make_settings_or_the_error_names_one(vector: dict[str, Any]) -> None:
    if "settings" in vector:
        found = load_settings(vector["env"])
        key = found.environment_key
        assert vector["settings"] == {
            "environment": found.environment,
            "region": found.region,
            "secretId": found.secret_id,
            "key": None if key is None else key.export_bytes().hex(),
        }
    else:
        with pytest.raises(KeyRotationError) as error:
            load_settings(vector["env"])
        assert error_code(error) == vector["error"]
        assert str(error.value).split()[0] == vector["variable"]


@pytest.mark.parametrize("vector", vectors("environments.json")["environments"], ids=lambda vector: str(vector["id"]))
def test_environments_with_several_keys_make_settings_or_the_error_says_what_is_wrong(vector: dict[str, Any]) -> None:
    if "settings" in vector:
        found = load_settings(vector["env"])
        assert vector["settings"] == {
            "environment": found.environment,
            "keySource": found.key_source,
            "region": found.region,
            "secretId": found.secret_id,
            "keys": {str(number): key.export_bytes().hex() for number, key in found.environment_keys.items()},
            "writes": None if found.writing_key is None else found.writing_key[0],
        }
    else:
        with pytest.raises(KeyRotationError) as error:
            load_settings(vector["env"])
        assert error_code(error) == vector["error"]
        assert str(error.value).split()[0] == vector["variable"]
        assert vector["says"] in str(error.value)


@pytest.mark.parametrize(
    "vector", vectors("column-contexts.json")["columnContexts"], ids=lambda vector: repr(vector["context"])
)
def test_contexts_of_columns_give_those_of_a_row_or_their_error(vector: dict[str, Any]) -> None:
    if "error" in vector:
        with pytest.raises(KeyRotationError) as error:
            EncryptedCell(TEXT, vector["context"], "bytea", None, shared_ring)
        assert error_code(error) == vector["error"]
    else:
        template = EncryptedCell(TEXT, vector["context"], "bytea", None, shared_ring).template
        assert template.of([vector["row"][name] for name in template.columns]) == vector["of"]
