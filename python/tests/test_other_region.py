"""A ring that was backed up and deleted for good comes back in another region, and both languages open every row."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_service import LocalService
from pazpaz_keys import KeyRing, Settings

REPOSITORY = Path(__file__).parents[2]
NEW_IDENTITY = """
import { generateIdentity, identityToRecipient } from 'age-encryption';
const identity = await generateIdentity();
console.log(`${identity}\\n${await identityToRecipient(identity)}`);
"""
HOME, ELSEWHERE = "us-east-1", "eu-west-1"


@pytest.fixture
def elsewhere(build: Path) -> Iterator[LocalService]:
    service = LocalService(build, ELSEWHERE)
    yield service
    service.stop()


def run(*command: str | Path, text: str = "", **env: str) -> str:
    result = subprocess.run(
        command,
        input=text,
        env={**os.environ, **env},
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_row_opens_in_another_region(
    service: LocalService,
    elsewhere: LocalService,
    build: Path,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def keys(region: str, at: LocalService, *arguments: str | Path, text: str = "") -> str:
        env = {"AWS_REGION": region, "AWS_ENDPOINT_URL_SECRETS_MANAGER": at.url, "SECRETS_MANAGER_KEY_NAME": name}
        return run("node", build / "cli" / "pazpaz-keys.mjs", *arguments, text=text, **env)

    # Rows of a key without a number, and of keys 2 and 3.
    service.create(name)
    rows: list[bytes] = []
    for place in range(3):
        with closing(KeyRing.open(Settings("staging", HOME, name, None))) as ring:
            rows.append(ring.encrypt_field(f"note {place}", f"patients:{place}:notes"))
        service.rotate(name)

    identity, recipient = run("node", "--input-type=module", "--eval", NEW_IDENTITY).split()
    (tmp_path / "age-key.txt").write_text(identity)
    keys(HOME, service, "backup", "--to", tmp_path / "ring.age", "--recipient", recipient)
    service.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    elsewhere.create(name, None)
    keys(ELSEWHERE, elsewhere, "restore-ring", tmp_path / "ring.age", "--identity", tmp_path / "age-key.txt", "--yes")

    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", elsewhere.url)
    with closing(KeyRing.open(Settings("staging", ELSEWHERE, name, None))) as ring:
        for place, row in enumerate(rows):
            context = f"patients:{place}:notes"
            assert ring.decrypt_field(row, context) == f"note {place}"
            shown = keys(ELSEWHERE, elsewhere, "decrypt", "--context", context, text=base64.b64encode(row).decode())
            assert shown == f"note {place}\n"
        # The key that was current is current again, under its number.
        assert ring.encrypt_field("new", "a")[0] == 4
