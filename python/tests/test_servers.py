"""The examples under the servers that people run, with workers that fork, against the local Secrets Manager."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from local_service import LocalService
from postgres import Postgres

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 60


def environment(name: str, **env: str) -> dict[str, str]:
    """Of a server, with the service's address and credentials."""
    settings = {"ENVIRONMENT": "production", "AWS_REGION": "us-east-1", "SECRETS_MANAGER_KEY_NAME": name}
    path = os.pathsep.join([str(EXAMPLES), *filter(None, sys.path)])
    return dict(os.environ) | settings | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"} | env


@contextmanager
def server(module: str, *arguments: str, env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=env, cwd=EXAMPLES, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answer(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as found:
                return json.load(found)
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, f"{url} did not answer"
            time.sleep(0.1)


def of_both_workers(url: str) -> list[Any]:
    """Answers until two processes have given one."""
    found: list[Any] = []
    end = time.monotonic() + SECONDS
    while len({each["process"] for each in found}) < 2:
        assert time.monotonic() < end, "only one worker answers"
        found.append(answer(url))
    return found


def test_uvicorn_with_workers_serves_the_application_of_fastapi(
    service: LocalService, name: str, postgres: Postgres
) -> None:
    from sqlalchemy import create_engine

    service.create(name)
    uri = postgres.new_database()
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE patients (id serial PRIMARY KEY, notes bytea)")
    env = environment(name, DATABASE_URL=uri.replace("postgresql:", "postgresql+asyncpg:"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with server("uvicorn", "fastapi_app:app", "--workers", "2", "--port", str(port), "--log-level", "error", env=env):
        assert {each["can_encrypt"] for each in of_both_workers(f"{url}/health")} == {True}
        number = answer(f"{url}/patients", {"notes": "Patient has diabetes"})["id"]
        service.rotate(name)
        assert answer(f"{url}/patients/{number}") == {"notes": "Patient has diabetes"}
    with engine.begin() as connection:
        stored = connection.exec_driver_sql("SELECT notes FROM patients").scalar_one()
    assert bytes(stored)[0] == 0  # before its first rotation, a secret has no number
    engine.dispose()


def test_gunicorn_that_loads_the_application_before_it_forks_repeats_no_nonce_and_follows_a_rotation(
    service: LocalService, name: str
) -> None:
    service.create(name)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["wsgi_app:app", "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    with server("gunicorn", *arguments, env=environment(name)):
        rows = [each["row"] for each in [*of_both_workers(f"{url}/encrypt"), *of_both_workers(f"{url}/encrypt")]]
        assert len({row[2:26] for row in rows}) == len(rows)
        service.rotate(name)
        of_both_workers(f"{url}/refresh")
        after = [each["row"] for each in of_both_workers(f"{url}/encrypt")]
        assert {row[:2] for row in after} <= {"00", "02"}
        for row in [rows[0], *after]:
            assert {each["text"] for each in of_both_workers(f"{url}/decrypt?{row}")} == {"note"}


def test_celery_opens_a_ring_in_each_worker(service: LocalService, name: str, tmp_path: Path) -> None:
    service.create(name)
    queue, results = tmp_path / "queue", tmp_path / "results"
    queue.mkdir()
    results.mkdir()
    config = f"""
broker_transport_options = {{"data_folder_in": {str(queue)!r}, "data_folder_out": {str(queue)!r}}}
"""
    (tmp_path / "celeryconfig.py").write_text(config)
    env = environment(name, BROKER_URL="filesystem://", RESULT_URL=f"file://{results}")
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    client = """
from celery_app import app, decrypt, encrypt
app.config_from_object("celeryconfig")
row = encrypt.delay("note").get(timeout=60)
print(row[:2], decrypt.delay(row).get(timeout=60))
"""
    arguments = ["-A", "celery_app", "--config", "celeryconfig", "worker", "--concurrency", "2", "--loglevel", "ERROR"]
    with server("celery", *arguments, env=env):
        result = subprocess.run(
            [sys.executable, "-c", client],
            env=env,
            cwd=EXAMPLES,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert (result.returncode, result.stdout) == (0, "00 note\n"), result.stderr


@pytest.mark.parametrize("patched", ["", "import gevent.monkey; gevent.monkey.patch_all()"])
def test_greenlets_of_gevent_share_a_ring(service: LocalService, name: str, patched: str) -> None:
    service.create(name)
    program = f"""
{patched}
import gevent
from pazpaz_keys import shared_ring
ring = shared_ring()
ring.warm()
def work(number):
    row = ring.encrypt_field(str(number), "a")
    gevent.sleep(0)
    return ring.decrypt_field(row, "a")
greenlets = [gevent.spawn(work, number) for number in range(50)]
gevent.joinall(greenlets, timeout=30, raise_error=True)
print([greenlet.value for greenlet in greenlets] == [str(number) for number in range(50)])
ring.refresh()
ring.close()
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, env=environment(name), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (result.returncode, result.stdout) == (0, "True\n"), result.stderr


def test_the_page_names_the_versions_that_are_tried() -> None:
    page = (EXAMPLES.parent / "README.md").read_text("utf-8")
    for server in ("uvicorn", "gunicorn", "Celery", "gevent"):
        row = next(line for line in page.splitlines() if line.startswith(f"| {server},"))
        tried = version(server).rsplit(".", 1)[0] if version(server).count(".") > 1 else version(server)
        assert row.split("|")[2].strip() == tried, server
