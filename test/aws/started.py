"""What the tests build and start. All of it is stopped and removed when the run ends, however it ends."""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
"""Where the virtual environment keeps its commands."""

NAME = "pazpaz/encryption-key-v1"
GUIDE_KEY = "rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY="
LAMBDA_ARN = "arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation"


@functools.cache
def work_folder():
    folder = Path(tempfile.mkdtemp(prefix="test-aws-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def build_into(name):
    """Builds what `npm run build` builds into a folder of that name, and gives the folder."""
    folder = work_folder() / name
    subprocess.run(["node", "esbuild.config.mjs", "--out", folder], cwd=REPOSITORY, check=True)
    return folder


@functools.cache
def built():
    """Builds the package as `npm run build` does, besides dist/, which may be in use. The folder that holds it."""
    folder = build_into("dist")
    esbuild = [
        "node_modules/.bin/esbuild",
        "src/index.ts",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--log-level=error",
    ]
    required = "--banner:js=import{createRequire}from'node:module';const require=createRequire(import.meta.url);"
    subprocess.run([*esbuild, required, f"--outfile={folder}/library.mjs"], cwd=REPOSITORY, check=True)
    return folder


def clean_environment(**variables):
    """No settings, profiles and credentials but these."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    none = str(work_folder() / "none")
    return {
        **foreign,
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "__SAM_CLI_APP_DIR": str(work_folder()),
        "AWS_CONFIG_FILE": none,
        "AWS_SHARED_CREDENTIALS_FILE": none,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
        **variables,
    }


class Started:
    """A process that runs until `stop`. What it says is kept in `said`."""

    def __init__(self, command, cwd=REPOSITORY, **variables):
        self.said = ""
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=clean_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        atexit.register(self.stop)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.said += line
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern, seconds=60, after=0):
        """The match of a pattern in what it says after so many characters; fails if it ends without saying it."""
        compiled = re.compile(pattern)
        with self._news:
            self._news.wait_for(lambda: compiled.search(self.said, after) or not self._reader.is_alive(), seconds)
            match = compiled.search(self.said, after)
        if match is None:
            raise AssertionError(f"{self.process.args} did not say {pattern!r}, but:\n{self.said}")
        return match

    def stop(self):
        """Asks it to end with SIGTERM: what was started in the background ignores SIGINT."""
        atexit.unregister(self.stop)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()


class LocalService(Started):
    """The built local Secrets Manager, on a free port."""

    def __init__(self, *options):
        super().__init__(["node", built() / "local" / "local.mjs", "--port", "0", *options])
        self.url = self.wait_for(r"Secrets Manager for this machine: (http://\S+)")[1]

    def control(self, method, path, body=None):
        """Steers it (npm run local -- --help)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def idle(self):
        """Waits until no rotation runs."""
        self.control("GET", "idle")


@functools.cache
def sam_built():
    """What `sam build` makes, besides .aws-sam, which may be in use. The folder with the template."""
    folder = work_folder() / "sam"
    done = subprocess.run(
        [TOOLS / "sam", "build", "--build-dir", folder, "--cache-dir", work_folder() / "cache"],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise AssertionError(f"sam build: {done.stdout}{done.stderr}")
    return folder
