"""The ring for unit tests, and the local Secrets Manager for the tests of others."""

import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest

from pazpaz_keys import KeyRing, KeyRotationError, Settings, TestKeys
from pazpaz_keys.testing import SecretsManager, secrets_manager, start_secrets_manager  # noqa: F401
from ring_words import code_of

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
SECTION = README[README.index("## Test your own code") : README.index("## Without a ring")]
PROGRAMS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
SETTINGS = Settings("staging", "us-east-1", "app/key", None)
REPLICA = Settings("staging", "eu-west-1", "app/key", None)


@pytest.fixture(scope="module")
def package(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the npm package is laid out."""
    folder = tmp_path_factory.mktemp("node") / "node_modules" / "pazpaz-key-rotation"
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / "library").symlink_to(build / "library")
    return folder


@pytest.fixture(autouse=True)
def _installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAZPAZ_KEY_ROTATION", str(package))


def test_a_ring_for_tests_encrypts_with_key_1_and_decrypts() -> None:
    with KeyRing.for_test() as ring:
        row = ring.encrypt_field("note", "patients:7:notes")
        assert ring.decrypt_field(row, "patients:7:notes") == "note"
        assert [(usage.key_number, usage.encryptions) for usage in ring.usage()] == [(1, 1)]


def test_after_a_rotation_it_encrypts_with_the_next_key_and_another_ring_reads_all_rows() -> None:
    keys = TestKeys()
    with KeyRing.for_test(keys) as ring, KeyRing.for_test(keys) as other:
        rows = [ring.encrypt_field("1")]
        for number in (2, 3):
            assert keys.rotate() == number
            ring.refresh()
            rows.append(ring.encrypt_field(str(number)))
        assert [usage.key_number for usage in ring.usage()] == [1, 2, 3]
        other.refresh()
        assert [other.decrypt_field(row) for row in rows] == ["1", "2", "3"]


def test_the_keys_of_two_tests_differ() -> None:
    with KeyRing.for_test() as one, KeyRing.for_test() as two:
        row = one.encrypt_field("note")
        assert code_of(lambda: two.decrypt_field(row)) == "TAMPERED_OR_WRONG_CONTEXT"


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_it_is_refused_where_environment_names_a_deployment(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    with pytest.raises(KeyRotationError, match=environment) as refused:
        KeyRing.for_test()
    assert refused.value.code == "INVALID_SETTINGS"


def test_test_keys_have_no_other_version() -> None:
    with pytest.raises(KeyRotationError) as refused:
        TestKeys().get_secret_value(SecretId="x", VersionId="00000000-0000-4000-8000-000000000002")
    assert refused.value.code == "KEY_UNAVAILABLE"


def test_the_page_shows_both_in_ten_lines_that_run(tmp_path: Path) -> None:
    unit_test, conftest, test_of_rotations = PROGRAMS
    for program in PROGRAMS:
        assert len([line for line in program.splitlines() if line.strip()]) <= 10
    run = subprocess.run([sys.executable, "-c", unit_test], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == "note\n"
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_page.py").write_text(test_of_rotations)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert "1 passed" in run.stdout, run.stdout


def test_the_fixture_has_a_clock_faults_and_counts(secrets_manager: SecretsManager) -> None:  # noqa: F811
    secrets_manager.create_key_ring("app/key")
    client = boto3.client("secretsmanager")
    first = client.get_secret_value(SecretId="app/key")["SecretString"]
    secrets_manager.rotate("app/key")
    second = client.get_secret_value(SecretId="app/key")["SecretString"]
    secrets_manager.advance(timedelta(days=365))
    assert len({first, second, client.get_secret_value(SecretId="app/key")["SecretString"]}) == 3
    assert secrets_manager.calls["RotateSecret"] == 2

    secrets_manager.set_fault({"kind": "error", "type": "AccessDeniedException", "message": "no"})
    with pytest.raises(client.exceptions.ClientError, match="AccessDeniedException"):
        client.get_secret_value(SecretId="app/key")
    secrets_manager.clear_faults()
    client.get_secret_value(SecretId="app/key")
    client.close()


def test_a_ring_reads_a_replica_in_its_region(secrets_manager: SecretsManager) -> None:  # noqa: F811
    secrets_manager.create_key_ring("app/key")
    client = boto3.client("secretsmanager")
    client.replicate_secret_to_regions(SecretId="app/key", AddReplicaRegions=[{"Region": "eu-west-1"}])
    with KeyRing.open(SETTINGS) as primary, KeyRing.open(REPLICA) as replica:
        secrets_manager.rotate("app/key")
        primary.refresh()
        row = primary.encrypt_field("note")
        assert replica.decrypt_field(row) == "note"
        forged = b"\x09" + row[1:]
        assert code_of(lambda: primary.decrypt_field(forged)) == "KEY_NEVER_ISSUED"
        assert code_of(lambda: replica.decrypt_field(forged)) == "KEY_UNAVAILABLE"
    client.close()


def test_each_refusal_of_the_service_is_an_error_with_its_words(secrets_manager: SecretsManager) -> None:  # noqa: F811
    with pytest.raises(RuntimeError, match="can't find the specified secret"):
        secrets_manager.rotate("missing")
    with pytest.raises(RuntimeError, match="kind must be one of"):
        secrets_manager.set_fault({"kind": "throtle"})
    with pytest.raises(RuntimeError, match="A duration is"):
        secrets_manager.advance("soon")
    assert secrets_manager.calls["RotateSecret"] == 1


def test_it_ends_with_close_and_a_later_call_says_so() -> None:
    with start_secrets_manager(region="eu-west-1") as service:
        assert service.environment["AWS_REGION"] == "eu-west-1"
    service.close()
    with pytest.raises(RuntimeError, match="is closed"):
        service.rotate("app/key")


def test_a_service_that_died_is_an_error_and_not_a_hanging_test() -> None:
    with start_secrets_manager() as service:
        service._process.send_signal(signal.SIGKILL)
        with pytest.raises(RuntimeError, match="ended with -9"):
            service.rotate("app/key")


def test_it_ends_with_a_killed_test_process() -> None:
    program = (
        "import os, signal, pazpaz_keys.testing as t\n"
        "s = t.start_secrets_manager()\nprint(s.url, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    # The service has this pipe, too, as its standard error: reading to the end waits for it.
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    with pytest.raises(URLError):
        urlopen(f"{run.stdout.strip()}/_local/clock", timeout=5)


def test_a_package_in_node_modules_above_is_found(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = package / "dist"
    monkeypatch.delenv("PAZPAZ_KEY_ROTATION")
    monkeypatch.chdir(below)
    with start_secrets_manager() as service:
        assert service.url.startswith("http://127.0.0.1:")


def test_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match=re.escape(f"{tmp_path} has no dist/library/esm/testing.js")):
        start_secrets_manager(package=tmp_path)
    monkeypatch.delenv("PAZPAZ_KEY_ROTATION")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="set PAZPAZ_KEY_ROTATION to the clone's folder"):
        start_secrets_manager()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="PATH has no 'node'"):
        start_secrets_manager()
