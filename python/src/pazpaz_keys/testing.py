"""A Secrets Manager for tests: the local one of the npm package ``pazpaz-key-rotation``, run by Node.js.

``pytest_plugins = ["pazpaz_keys.testing"]`` in a ``conftest.py`` gives tests the fixture ``secrets_manager``. It needs
pytest, Node.js 20.19 or newer, and that package with its library built, in ``node_modules`` of this folder or one above
it, or in the folder that ``PAZPAZ_KEY_ROTATION`` names.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

_MODULE = Path("dist", "library", "esm", "testing.js")
_PROGRAM = Path(__file__).with_name("testing_service.mjs")


class SecretsManager:
    """A local Secrets Manager of a test; ``start_secrets_manager`` starts it. Close it after the test."""

    url: str
    """Such as ``http://127.0.0.1:40123``."""
    environment: Mapping[str, str]
    """Variables that make boto3, the AWS CLI and ``KeyRing.open`` use it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        self._process, self._requests, self._answers = process, process.stdin, process.stdout
        self._lock = threading.Lock()
        started = self._answer()
        self.url, self.environment = started["url"], started["environment"]

    def create_key_ring(self, name: str) -> None:
        """Creates a secret, empty, and rotates it once: key 1 is current. Raises if the rotation failed."""
        self._call("createKeyRing", name)

    def rotate(self, name: str) -> None:
        """Rotates a secret now, to the end. Raises with the reason if the rotation failed."""
        self._call("rotate", name)

    def advance(self, by: timedelta | str) -> None:
        """Moves the clock forward, such as by ``"365d"``. Rotations that fall due run on the way."""
        self._call("advance", by if isinstance(by, str) else by // timedelta(milliseconds=1))

    def set_fault(self, fault: Mapping[str, object]) -> None:
        """Makes calls fail, such as ``{"operation": "GetSecretValue", "kind": "throttle"}``, until ``clear_faults``.

        The members are those of ``docs/local.md`` in the repository.
        """
        self._call("setFault", dict(fault))

    def clear_faults(self) -> None:
        self._call("clearFaults")

    @property
    def calls(self) -> Mapping[str, int]:
        """Number of calls by operation."""
        counts: Mapping[str, int] = self._call("calls")
        return counts

    def close(self) -> None:
        """Ends the service and whatever runs in it. May be called again."""
        with self._lock:
            self._end()

    def __enter__(self) -> "SecretsManager":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, name: str, *arguments: object) -> Any:
        with self._lock:
            if self._requests.closed:
                raise RuntimeError("The local Secrets Manager is closed.")
            with suppress(BrokenPipeError):  # the missing answer tells
                self._requests.write(json.dumps({"name": name, "arguments": arguments}) + "\n")
                self._requests.flush()
            answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("result")

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            self._end()
            raise RuntimeError(
                f"The local Secrets Manager ended with {self._process.returncode}: see Node's error above."
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        with suppress(BrokenPipeError):
            self._requests.close()  # the program ends with its input
        self._process.wait()
        self._answers.close()


def start_secrets_manager(*, region: str = "us-east-1", package: str | Path | None = None) -> SecretsManager:
    """Starts a Secrets Manager on a free port of this machine. Its secrets live in memory.

    It answers as the real service does, rotates with the real Lambda, and its clock can be moved. ``package``: the
    folder of the npm package ``pazpaz-key-rotation``; default, see the top of this module.

    Raises ``RuntimeError`` if Node.js or the package is missing.
    """
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("The local Secrets Manager runs in Node.js, but PATH has no 'node'. Install 20.19 or newer.")
    command = [node, str(_PROGRAM), str(_module_of(package)), json.dumps({"region": region})]
    return SecretsManager(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"))


def _module_of(package: str | Path | None) -> Path:
    named = package or os.environ.get("PAZPAZ_KEY_ROTATION")
    here = Path.cwd()
    installed = [folder / "node_modules" / "pazpaz-key-rotation" for folder in (here, *here.parents)]
    for folder in [Path(named)] if named else installed:
        if (folder / _MODULE).is_file():
            return (folder / _MODULE).resolve()
    where = f"{named} has no {_MODULE}" if named else f"no node_modules in {here} or above it has it"
    raise RuntimeError(
        f"The local Secrets Manager is part of the npm package pazpaz-key-rotation, but {where}. Run 'npm ci && npm "
        "run build:library' in a clone of its repository, and set PAZPAZ_KEY_ROTATION to the clone's folder."
    )


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """A Secrets Manager of its own for the test, which this process's variables name meanwhile."""
    with start_secrets_manager() as service:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        yield service
