"""What a run does where `sam local` cannot work: it fails and says what to install, and skips only when it is told to."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from started import REPOSITORY


def run_all(docker=None, **variables):
    """Runs the tests that need a container, with this script as `docker`, or without any; SKIP_SAM_LOCAL unset."""
    with tempfile.TemporaryDirectory() as folder:
        if docker is not None:
            command = Path(folder) / "docker"
            command.write_text(f"#!/bin/sh\n{docker}\n")
            command.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if name != "SKIP_SAM_LOCAL"}
        done = subprocess.run(
            [sys.executable, REPOSITORY / "test/aws/run_all.py", "sam_local_test"],
            env={**inherited, "PATH": folder, **variables},
            capture_output=True,
            text=True,
        )
    return done.returncode, done.stdout, done.stderr


class WithoutDockerTest(unittest.TestCase):
    def assert_fails(self, run, *said):
        returncode, stdout, stderr = run
        self.assertEqual(returncode, 1, stdout + stderr)
        for text in said:
            self.assertIn(text, stdout)
        self.assertNotIn("SKIP ", stdout)
        self.assertEqual(stdout.splitlines()[-1], "0 passed, 2 failed")

    def test_without_the_docker_command_it_fails_and_says_what_to_install(self):
        self.assert_fails(run_all(), "Install one (on Debian and Ubuntu the package docker.io", "SKIP_SAM_LOCAL=1")

    def test_without_a_running_engine_it_fails_and_says_what_to_start(self):
        self.assert_fails(run_all("exit 1"), "none answers to `docker info`", "and start it")

    def test_without_the_image_it_fails_and_says_which(self):
        docker = 'case "$1" in info) exit 0;; pull) echo "no route to the registry" >&2;; esac; exit 1'
        self.assert_fails(run_all(docker), "public.ecr.aws/lambda/nodejs:24-x86_64", "no route to the registry")

    def test_no_other_value_of_the_variable_skips(self):
        for value in ("", "0", "no"):
            self.assert_fails(run_all("exit 1", SKIP_SAM_LOCAL=value), "none answers to `docker info`")

    def test_told_to_skip_it_passes_and_says_so_out_loud(self):
        returncode, stdout, stderr = run_all("exit 1", SKIP_SAM_LOCAL="1")
        self.assertEqual(returncode, 0, stdout + stderr)
        *_, skipped, last = stdout.splitlines()
        self.assertEqual(skipped, "SKIPPED: SKIP_SAM_LOCAL=1 is set: nothing was run in Lambda's container")
        self.assertEqual(last, "0 passed, 0 failed")


if __name__ == "__main__":
    unittest.main()
