"""What AWS's own tools say of the template, and what `sam build` makes of it."""

import json
import subprocess
import unittest

from started import REPOSITORY, TOOLS, build_into, built, clean_environment, sam_built


def run(tool, *arguments):
    command = [str(TOOLS / tool), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=clean_environment(), capture_output=True, text=True)


SKIPPED = {
    ("CKV_AWS_18", "TrailBucket"),
    ("CKV_AWS_27", "AdoptionFailureQueue"),
    ("CKV_AWS_111", "KeyRotationRolePolicy"),
    ("CKV_AWS_115", "KeyRotationFunction"),
    ("CKV_AWS_116", "KeyRotationFunction"),
    ("CKV_AWS_117", "KeyRotationFunction"),
    ("CKV_AWS_173", "KeyRotationFunction"),
}
"""Checks that the template skips, each for a reason that is written there. One more is a decision, to be made here too."""


class TemplateTest(unittest.TestCase):
    def assert_content(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_sam_validate_with_lint_has_no_finding(self):
        self.assert_content(run("sam", "validate", "--lint"))

    def test_cfn_lint_has_no_finding_in_any_region(self):
        done = run("cfn-lint", "template.yaml", "--regions", "ALL_REGIONS")
        self.assert_content(done)
        self.assertEqual(done.stdout.strip(), "")

    def test_checkov_has_no_finding_that_is_not_skipped_with_a_reason(self):
        options = ("--framework", "cloudformation", "--compact", "--skip-download", "--output", "json")
        done = run("checkov", "-f", "template.yaml", *options)
        self.assert_content(done)
        results = json.loads(done.stdout)["results"]
        self.assertEqual(results["failed_checks"], [])
        self.assertGreater(len(results["passed_checks"]), 50)
        skips = {(one["check_id"], one["resource"].split(".")[-1]) for one in results["skipped_checks"]}
        self.assertEqual(skips, SKIPPED)
        for skipped in results["skipped_checks"]:
            reason = skipped["check_result"]["suppress_comment"]
            self.assertGreater(len(reason), 30, skipped["check_id"])

    def test_sam_build_makes_the_very_bundle_that_the_tests_run(self):
        by_sam, now, tested = (
            {file.name: file.read_bytes() for file in folder.iterdir()}
            for folder in (sam_built() / "KeyRotationFunction", build_into("now") / "lambda", built() / "lambda")
        )
        self.assertTrue(now == tested, "the sources changed during this run: what was tested is not what is there now")
        self.assertEqual(by_sam.keys(), tested.keys())
        self.assertTrue(by_sam == tested, "sam build made another bundle")
