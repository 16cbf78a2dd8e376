"""The programs of the README for an ORM, as they stand there."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

from local_service import FIRST_KEY
from postgres import Postgres

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
SECOND_KEY = base64.b64encode(bytes(range(32))).decode()
LOCAL = {"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": FIRST_KEY}


def programs(section: str) -> list[str]:
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run(program: str, folder: Path | None = None, **env: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(
        command, env=inherited | LOCAL | env, cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_program_for_sqlalchemy_prints_what_the_page_says(postgres: Postgres) -> None:
    program, of_row = programs("SQLAlchemy")
    of_column = next(line for line in program.splitlines() if line.lstrip().startswith("notes: "))
    for version in (program, program.replace(of_column, f"    {of_row.strip()}")):
        url = postgres.new_database().replace("postgresql:", "postgresql+psycopg:")
        printed = run(version, DATABASE_URL=url)
        assert f"It prints `{printed.strip()}`" in README
        assert run(version, DATABASE_URL=url, ENCRYPTION_MASTER_KEY_V2=SECOND_KEY) == printed * 2
    assert version != program


def test_the_program_for_fastapi_opens_the_ring_before_the_first_request_and_closes_it() -> None:
    (program,) = programs("FastAPI")
    with_requests = """
async def main() -> None:
    for _ in range(2):  # an application that is started a second time opens another ring
        async with lifespan(app):
            response = Response()
            found = await health(response)
            print(response.status_code, found["can_encrypt"], shared_ring().is_closed)

asyncio.run(main())
"""
    assert run(program + with_requests) == "200 True False\n" * 2


def test_the_programs_for_django_are_an_application(postgres: Postgres, tmp_path: Path) -> None:
    models, wsgi = programs("Django")
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "__init__.py").touch()
    (tmp_path / "clinic" / "models.py").write_text(models)
    uri = postgres.new_database()
    name, host = re.findall(r"/([^/?]+)\?host=(.*)", uri)[0]
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": "postgres", "HOST": host}
    settings = f"""
INSTALLED_APPS = ["clinic"]
DATABASES = {{"default": {database!r}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
    (tmp_path / "clinic_site").mkdir()
    (tmp_path / "clinic_site" / "settings.py").write_text(settings)
    commands = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "clinic_site.settings"
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "clinic", verbosity=0)
call_command("migrate", verbosity=0)
"""
    assert run(commands, tmp_path, ENCRYPTION_MASTER_KEY="") == ""  # migrations need no key
    (request,) = re.findall(r"shell -c '(.*?)'\n```", README, re.DOTALL)
    line = "Patient has diabetes {'number': '4111'}\n"
    assert f"The last command prints `{line.strip()}`" in README
    assert run(wsgi + request, tmp_path) == line
    assert run(wsgi + request, tmp_path, ENCRYPTION_MASTER_KEY_V2=SECOND_KEY) == line * 2
    assert "context='patients:card'" in (tmp_path / "clinic" / "migrations" / "0001_initial.py").read_text()
