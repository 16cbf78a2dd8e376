"""The rings of vectors/rings.json, as the TypeScript ring runs them too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clocks import MovedClock
from pazpaz_keys import KeyMaterial, KeyRing, KeyRotationError, Settings, decrypt_field
from pazpaz_keys.varint import read_varint
from secret_in_memory import SecretInMemory

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rings.json").read_text("utf-8"))
KEYS = {name: KeyMaterial(bytes.fromhex(key)) for name, key in VECTORS["keys"].items()}
ROWS = [(ring, row) for ring in VECTORS["rings"] for row in ring["rows"]]


@contextmanager
def opened(ring: dict[str, Any], clock: MovedClock | None = None) -> Iterator[KeyRing]:
    environment_key = KEYS[ring["environmentKey"]] if "environmentKey" in ring else None
    is_local = ring.get("aws") == "not asked"
    settings = (
        Settings("local", None, None, environment_key)
        if is_local
        else Settings("staging", "us-east-1", "name", environment_key)
    )
    secret = SecretInMemory(ring)
    with KeyRing.open(settings, client=secret, clock=clock, legacy=ring.get("legacy", True)) as open_ring:
        secret.is_silent = secret.is_silent or ring.get("aws") == "silent after opening"
        yield open_ring


@pytest.mark.parametrize("ring", VECTORS["rings"], ids=lambda ring: str(ring["id"]))
def test_a_ring_writes_under_its_current_key(ring: dict[str, Any]) -> None:
    with opened(ring) as open_ring:
        row = open_ring.encrypt_field("text", "context")
    assert read_varint(row) == (ring["writes"]["number"], 1)
    assert decrypt_field(row, KEYS[ring["writes"]["key"]], "context", legacy=False) == "text"


@pytest.mark.parametrize(("ring", "row"), ROWS, ids=[f"{ring['id']}: {row['says']}" for ring, row in ROWS])
def test_a_ring_gives_the_text_or_the_error_of_a_row(ring: dict[str, Any], row: dict[str, Any]) -> None:
    clock = MovedClock()
    with opened(ring, clock) as open_ring:
        if "text" in row:
            assert open_ring.decrypt_field(bytes.fromhex(row["row"]), row["context"]) == row["text"]
            return
        assert error_of(open_ring, row) == row["error"]
        clock.ahead += 30
        if "later" in row:
            assert error_of(open_ring, row) == row["later"]


def error_of(ring: KeyRing, row: dict[str, Any]) -> str:
    with pytest.raises(KeyRotationError) as error:
        ring.decrypt_field(bytes.fromhex(row["row"]), row["context"])
    return error.value.code
