"""The guide's tests 2, 3 and 4 as they stand there, with the package's name changed: pazpaz becomes pazpaz_keys."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_service import FIRST_KEY, NAME, LocalService

TEST_2 = """
from pazpaz_keys.core.config import settings
key = settings.encryption_key
print(f'✅ Successfully fetched key: {len(key)} bytes')
"""

TEST_3 = """
from pazpaz_keys.core.config import settings
key = settings.encryption_key
print(f'✅ Fallback successful: {len(key)} bytes')
"""

TEST_4 = """
from pazpaz_keys.core.config import settings
from pazpaz_keys.utils.encryption import encrypt_field, decrypt_field

key = settings.encryption_key
plaintext = 'Patient has diabetes'

# Encrypt
ciphertext = encrypt_field(plaintext, key)
print(f'✅ Encrypted: {len(ciphertext)} bytes')

# Decrypt
decrypted = decrypt_field(ciphertext, key)
assert decrypted == plaintext, 'Decryption failed!'
print(f'✅ Decrypted: {decrypted}')
"""


@pytest.fixture(autouse=True)
def _secret(service: LocalService) -> None:
    if not service.client.list_secrets(Filters=[{"Key": "name", "Values": [NAME]}])["SecretList"]:
        service.create(NAME)


def run(program: str, **env: str) -> "subprocess.CompletedProcess[str]":
    env = {"AWS_REGION": "us-east-1", "SECRETS_MANAGER_KEY_NAME": NAME} | env
    inherited = {name: value for name, value in os.environ.items() if name != "ENCRYPTION_MASTER_KEY"}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | env | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


def test_2_local_application_test() -> None:
    result = run(TEST_2, ENVIRONMENT="staging")
    assert result.stdout == "✅ Successfully fetched key: 32 bytes\n"
    assert result.stderr == ""


def test_3_fallback_to_environment_variable() -> None:
    missing = {"SECRETS_MANAGER_KEY_NAME": "pazpaz/nonexistent-key", "ENCRYPTION_MASTER_KEY": FIRST_KEY}
    result = run(TEST_3, ENVIRONMENT="staging", **missing)
    assert result.stdout == "✅ Fallback successful: 32 bytes\n"
    assert "aws_unavailable_using_env_fallback" in result.stderr
    assert FIRST_KEY[:8] not in result.stderr


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_4_end_to_end_encryption_test(environment: str) -> None:
    result = run(TEST_4, ENVIRONMENT=environment)
    assert result.stdout == "✅ Encrypted: 49 bytes\n✅ Decrypted: Patient has diabetes\n"


def test_a_program_that_opens_a_ring_and_forgets_to_close_it_ends() -> None:
    program = """
from pazpaz_keys import KeyRing
ring = KeyRing.open()
print(ring.decrypt_field(ring.encrypt_field('text', 'a'), 'a'))
"""
    assert run(program, ENVIRONMENT="production").stdout == "text\n"


README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
OF_ORMS = README[README.index("## SQLAlchemy") : README.index("## Every key at start")]  # test_orm_pages.py runs them
PROGRAMS = re.findall(r"```python\n(.*?)```", README.replace(OF_ORMS, ""), re.DOTALL)


def test_the_readme_starts_with_ten_lines_that_work_when_pasted_on_a_machine_without_aws(tmp_path: Path) -> None:
    ours = {"ENVIRONMENT", "SECRETS_MANAGER_KEY_NAME", "ENCRYPTION_MASTER_KEY"}
    bare = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("AWS_")}
    (tmp_path / "notes.py").write_text(PROGRAMS[0], "utf-8")
    commands = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)[0].replace("python ", f"{sys.executable} ")
    result = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, env=bare, capture_output=True, encoding="utf-8", check=True
    )
    assert (result.stdout, result.stderr) == ("49 Patient has diabetes\n", "")
    assert f"prints `{result.stdout.strip()}`" in README
    assert len((PROGRAMS[0] + commands).splitlines()) <= 10
    # A key in the program would go into production with it.
    assert not ours & set(re.findall(r"\w+", PROGRAMS[0]))


def test_the_programs_of_the_readme_run_as_they_stand() -> None:
    programs = [program for program in PROGRAMS if "test" not in program]  # test_testing.py runs the others
    results = [run(program, ENVIRONMENT="production").stdout for program in programs]
    assert [result.partition("{")[0] for result in results] == [
        "49 Patient has diabetes\n",
        "",
        "Patient has diabetes\n",
        "",
        "",
    ]


def test_the_readme_shows_in_ten_lines_how_to_fetch_every_key_and_to_tell_the_health() -> None:
    assert len(PROGRAMS[2].strip().splitlines()) <= 10
    text, health = run(PROGRAMS[2], ENVIRONMENT="production").stdout.splitlines()
    assert text == "Patient has diabetes"
    assert "'can_encrypt': True, 'current_number': 0, 'age_seconds': 0, 'last_error': None" in health


def test_the_functions_of_the_readme_for_a_text_column_read_what_they_wrote_and_older_texts() -> None:
    functions = PROGRAMS[1]
    program = (
        functions
        + """
from pazpaz_keys import encrypt_field
from pazpaz_keys.core.config import settings
from older_data import FORMS, old_box

with KeyRing.open() as ring:
    old = FORMS["c"](old_box(settings.encryption_key, "older", bytes(12))).decode()
    print(note_of_column(ring, 7, note_for_column(ring, 7, "note")), note_of_column(ring, 7, old))
"""
    )
    assert run(program, ENVIRONMENT="production", PYTHONPATH=os.pathsep.join(sys.path)).stdout == "note older\n"
