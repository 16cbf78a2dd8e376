"""TypeScript and Python give the same result or the same error code, on inputs that no one would write down."""

import json
import logging
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pazpaz_keys import (
    KeyMaterial,
    KeyRing,
    KeyRotationError,
    Settings,
    decrypt_bytes,
    decrypt_field,
    encrypt_field,
    load_settings,
    row_from_json,
    row_from_text,
)
from pazpaz_keys.secret_source import SecretSource
from pazpaz_keys.varint import read_varint
from secret_in_memory import SecretInMemory
from strange_inputs import KEYS, StrangeInputs

STANDING_SEED = 20251012
"""The inputs of this seed reach every end, which is asserted. Those of another may miss a rare one."""

SEED = int(os.environ.get("PAZPAZ_FUZZ_SEED", STANDING_SEED))
"""``python/check --fuzz`` runs these tests with many seeds."""

HOW_MANY = {"rows": 3000, "cells": 1500, "texts": 500, "values": 3000, "environments": 500, "rings": 200}

MATERIALS = {name: KeyMaterial(key) for name, key in KEYS.items()}

Asked = Mapping[str, Any]


@pytest.fixture(scope="module")
def inputs() -> dict[str, list[Any]]:
    strange = StrangeInputs(SEED)
    makers = [strange.row, strange.cell, strange.text, strange.value, strange.environment, strange.ring]
    made = {kind: [make() for _ in range(HOW_MANY[kind])] for kind, make in zip(HOW_MANY, makers, strict=True)}
    # As the other side will read them: JSON makes one character of two halves that came to stand side by side.
    read: dict[str, list[Any]] = json.loads(json.dumps(made))
    return read


@pytest.fixture(scope="module")
def typescript(inputs: dict[str, list[Any]], build: Path) -> dict[str, list[Any]]:
    """What the built library makes of the same inputs."""
    asked = {**inputs, "keys": {name: key.hex() for name, key in KEYS.items()}}
    program = Path(__file__).with_name("other_language.mjs")
    answer = subprocess.run(
        ["node", program, build / "library" / "cjs" / "index.js"],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    found: dict[str, list[Any]] = json.loads(answer.stdout)
    return found


def differing(
    inputs: list[Any], theirs: list[Any], ours: Callable[[Any], object], agree: Callable[[Any, Any], bool]
) -> list[object]:
    assert len(inputs) == len(theirs)
    outcomes = [or_code(ours, asked) for asked in inputs]
    differ: list[object] = [found for found in zip(inputs, theirs, outcomes, strict=True) if not agree(*found[1:])]
    return differ[:2]  # enough to look at


def or_code(act: Callable[..., Any], *given: Any) -> Any:
    """Any other error than the library's own fails the test."""
    try:
        return act(*given)
    except KeyRotationError as error:
        return {"error": error.code}


def kinds(outcomes: list[Any]) -> set[str]:
    """Each error code that came up, and ``result``: what makes sure that the inputs reach every end."""
    return {outcome.get("error", "result") for outcome in outcomes}


def test_rows(inputs: dict[str, list[Any]], typescript: dict[str, list[Any]]) -> None:
    def read(asked: Asked) -> object:
        given = bytes.fromhex(asked["row"]), MATERIALS[asked["key"]], asked["context"]
        found = decrypt_bytes(*given, legacy=asked["legacy"])
        return {"bytes": found.hex(), "text": or_code(lambda: decrypt_field(*given, legacy=asked["legacy"]))}

    assert differing(inputs["rows"], typescript["rows"], read, lambda their, our: their == our) == []
    assert SEED != STANDING_SEED or kinds(typescript["rows"]) == {
        "result",
        "DECRYPTION_FAILED",
        "INVALID_CIPHERTEXT",
        "INVALID_TEXT",
    }


def test_cells(inputs: dict[str, list[Any]], typescript: dict[str, list[Any]]) -> None:
    def read(asked: Asked) -> object:
        json_row = or_code(lambda: row_from_json(asked["text"], asked.get("member")).hex())
        return {"text": row_from_text(asked["text"]).hex(), "json": json_row}

    assert differing(inputs["cells"], typescript["cells"], read, lambda their, our: their == our) == []
    outcomes = [cell["json"] for cell in typescript["cells"]]
    assert SEED != STANDING_SEED or sum(isinstance(outcome, str) for outcome in outcomes) > 300
    assert SEED != STANDING_SEED or {outcome["error"] for outcome in outcomes if not isinstance(outcome, str)} == {
        "INVALID_CIPHERTEXT"
    }


def test_texts(inputs: dict[str, list[Any]], typescript: dict[str, list[Any]]) -> None:
    def write(asked: Asked) -> object:
        material, context = MATERIALS[asked["key"]], asked["context"]
        row = encrypt_field(asked["text"], material, context, number=asked["number"])
        return {"row": row, "text": asked["text"], "key": material, "context": context}

    def agree(their: Any, our: Any) -> bool:
        if "error" in our or "error" in their:
            return bool(their == our)
        row = bytes.fromhex(their["row"])
        text = decrypt_field(row, our["key"], our["context"], legacy=False)
        return bool(read_varint(row) == read_varint(our["row"]) and text == our["text"])

    assert differing(inputs["texts"], typescript["texts"], write, agree) == []
    assert SEED != STANDING_SEED or kinds(typescript["texts"]) == {"result", "INVALID_TEXT", "INVALID_KEY_NUMBER"}


def test_values_of_secrets(inputs: dict[str, list[Any]], typescript: dict[str, list[Any]]) -> None:
    def read(asked: Asked) -> object:
        secret = SecretInMemory({"versions": [{"versionId": "version", "stages": ["AWSCURRENT"], **asked}]})
        return SecretSource(None, "name", 60, secret).read("version").key

    def agree(their: Any, our: Any) -> bool:
        if isinstance(our, KeyMaterial):
            return "row" in their and opens(their["row"], our)
        return bool(their == our)

    assert differing(inputs["values"], typescript["values"], read, agree) == []
    assert SEED != STANDING_SEED or kinds(typescript["values"]) == {"result", "INVALID_KEY_VALUE", "CANNOT_REACH_AWS"}
    assert SEED != STANDING_SEED or sum("row" in outcome for outcome in typescript["values"]) > 300


def opens(row: str, key: KeyMaterial) -> bool:
    """Whether the key is the one that has encrypted the other side's probe."""
    return bool(or_code(decrypt_field, bytes.fromhex(row), key) == "probe")


def test_environments(inputs: dict[str, list[Any]], typescript: dict[str, list[Any]]) -> None:
    def read(asked: Asked) -> object:
        settings = load_settings(asked)
        plain = settings.environment_key
        return {
            "numbered": [[number, key.export_bytes().hex()] for number, key in settings.numbered_keys],
            "hasFallback": settings.has_fallback,
            "environment": settings.environment,
            "region": settings.region,
            "secretId": settings.secret_id,
            "key": None if plain is None else plain.export_bytes().hex(),
        }

    assert differing(inputs["environments"], typescript["environments"], read, lambda their, our: their == our) == []
    assert SEED != STANDING_SEED or kinds(typescript["environments"]) == {"result", "INVALID_SETTINGS"}


def test_rings(
    inputs: dict[str, list[Any]], typescript: dict[str, list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "pazpaz_keys")

    def use(asked: Asked) -> object:
        with opened(asked) as ring:
            written = ring.encrypt_field("probe", "context")
        return {"written": written, "outcomes": [or_code(read, asked, row) for row in asked["rows"]]}

    def read(asked: Asked, row: Asked) -> object:
        with opened(asked) as ring:
            return {"bytes": ring.decrypt_bytes(bytes.fromhex(row["row"]), row["context"]).hex()}

    def agree(their: Any, our: Any) -> bool:
        if "error" in our or "error" in their:
            return bool(their == our)
        is_written_alike = writer_of(bytes.fromhex(their["written"])) == writer_of(our["written"])
        return is_written_alike and bool(their["outcomes"] == our["outcomes"])

    assert differing(inputs["rings"], typescript["rings"], use, agree) == []
    openings = {"NO_CURRENT_KEY", "CANNOT_REACH_AWS", "AWS_REFUSED", "INVALID_KEY_VALUE"}
    assert SEED != STANDING_SEED or kinds(typescript["rings"]) == {"result", *openings}
    outcomes = [outcome for ring in typescript["rings"] for outcome in ring.get("outcomes", [])]
    failures = {"TAMPERED_OR_WRONG_CONTEXT", "KEY_RETIRED", "KEY_NEVER_ISSUED", "KEY_UNAVAILABLE", "INVALID_KEY_VALUE"}
    assert SEED != STANDING_SEED or kinds(outcomes) == {"result", "INVALID_CIPHERTEXT", *failures}


def opened(asked: Asked) -> KeyRing:
    environment_key = MATERIALS[asked["environmentKey"]] if "environmentKey" in asked else None
    if asked["aws"] == "not asked":
        return KeyRing.open(Settings("local", None, None, environment_key), legacy=asked["legacy"])
    secret = SecretInMemory(asked)
    ring = KeyRing.open(
        Settings("staging", "us-east-1", "name", environment_key), client=secret, legacy=asked["legacy"]
    )
    secret.is_silent = secret.is_silent or asked["aws"] == "silent after opening"
    return ring


def writer_of(row: bytes) -> tuple[object, list[str]]:
    """The number under which a row was written, and the key that opens it."""
    keys = [name for name, key in MATERIALS.items() if or_code(decrypt_field, row, key, "context") == "probe"]
    return read_varint(row), keys
