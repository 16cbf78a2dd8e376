"""The places where `maintain` runs: what the tools say of infra/ and Dockerfile, and the image at work."""

import json
import os
import subprocess
import unittest

from sam_local_test import IMAGE, docker_or_fail
from started import NAME, REPOSITORY, TOOLS, LocalService, clean_environment, work_folder

COLUMNS = [{"table": "patients", "column": "notes", "context": "patients:{id}:notes"}]

def run(*command, **variables):
    environment = clean_environment(**variables)
    return subprocess.run([str(part) for part in command], cwd=REPOSITORY, env=environment, capture_output=True, text=True)


class InfraTest(unittest.TestCase):
    def assert_passed(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_cfn_lint_has_no_finding_in_any_region(self):
        done = run(TOOLS / "cfn-lint", "infra/maintenance.yaml", "--regions", "ALL_REGIONS")
        self.assert_passed(done)
        self.assertEqual(done.stdout.strip(), "")

    def assert_checkov(self, framework, where, fewest, skips):
        command = (TOOLS / "checkov", *where, "--framework", framework, "--compact", "--skip-download", "--output", "json")
        done = run(*command)
        self.assert_passed(done)
        results = json.loads(done.stdout)["results"]
        self.assertEqual(results["failed_checks"], [])
        self.assertGreater(len(results["passed_checks"]), fewest)
        self.assertEqual({one["check_id"] for one in results["skipped_checks"]}, skips)

    def test_checkov_has_no_finding_that_is_not_skipped_with_a_reason(self):
        self.assert_checkov("cloudformation", ("-f", "infra/maintenance.yaml"), 15, {"CKV_AWS_158"})
        self.assert_checkov("dockerfile", ("-f", "Dockerfile"), 10, {"CKV_DOCKER_7"})
        self.assert_checkov("kubernetes", ("-d", "infra/kubernetes"), 60, {"CKV_K8S_35", "CKV_K8S_43"})

    def test_the_manifests_are_as_kubernetes_has_them(self):
        manifests = [REPOSITORY / "infra/kubernetes" / f"{name}.yaml" for name in ("namespace", "service-account", "maintain")]
        for version in ("1.31", "1.33"):
            done = run(TOOLS / "kubernetes-validate", "--strict", "-k", version, *manifests)
            self.assert_passed(done)
            self.assertIn("passed for resource cronjob/maintain", done.stdout)


def build_image():
    # The image of `sam local` has Node, too.
    build = ("docker", "build", "--quiet", "--build-arg", f"BASE={IMAGE}", "--tag", "pazpaz-keys:test", ".")
    for command in (("npm", "run", "--silent", "build"), build):
        done = run(*command)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)


def census_of(service, database, columns):
    """The one column of a census."""
    census = run(
        *("node", REPOSITORY / "bin/pazpaz-keys.mjs", "census", "--columns", columns, "--json"),
        AWS_ENDPOINT_URL_SECRETS_MANAGER=service.url,
        SECRETS_MANAGER_KEY_NAME=NAME,
        DATABASE_URL=database,
    )
    [column] = json.loads(census.stdout)["result"]["columns"]
    return column


class WorkersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        docker_or_fail()
        build_image()

    def worker(self, service, database, columns, *options):
        variables = {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": service.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "SECRETS_MANAGER_KEY_NAME": NAME,
            "DATABASE_URL": database,
        }
        settings = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        mounted = f"{columns}:/etc/pazpaz/columns.json:ro"
        limits = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host")
        command = ["docker", "run", *options, *limits, *settings, "--volume", mounted, "pazpaz-keys:test"]
        maintain = ["maintain", "--columns", "/etc/pazpaz/columns.json", "--json"]
        return subprocess.Popen([*command, *maintain], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_three_workers_of_which_one_is_killed_bring_every_row_to_the_current_key(self):
        service = LocalService("--with-postgres")
        self.addCleanup(service.stop)
        database = service.wait_for(r"DATABASE_URL=(\S+)")[1]
        columns = work_folder() / "columns.json"
        columns.write_text(json.dumps(COLUMNS))
        columns.chmod(0o644)
        os.chmod(work_folder(), 0o755)
        name = f"pazpaz-killed-{os.getpid()}"
        killed = self.worker(service, database, columns, "--name", name)
        others = [self.worker(service, database, columns, "--rm") for _ in range(2)]
        run("docker", "kill", name)
        killed.communicate()
        run("docker", "rm", "--force", name)
        for worker in others:
            said, errors = worker.communicate()
            self.assertEqual(worker.returncode, 0, said + errors)
        last = self.worker(service, database, columns, "--rm")
        said, errors = last.communicate()
        self.assertEqual(last.returncode, 0, said + errors)
        result = json.loads(said)["result"]
        self.assertEqual(result["currentNumber"], 2)
        self.assertEqual([(one["keyNumber"], one["isFinished"], one["left"]) for one in result["reencrypted"]], [])
        column = census_of(service, database, columns)
        self.assertEqual(column["rows"], 300)
        self.assertEqual(column["numbered"], {"2": 300})


if __name__ == "__main__":
    unittest.main()
