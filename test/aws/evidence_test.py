"""`pazpaz-keys evidence` against moto's server: every service at once, with a signature of its KMS."""

import json
import logging
import subprocess
import unittest

import boto3

from moto_service import start_moto
from started import GUIDE_KEY, NAME, built, clean_environment, work_folder

REGION = "us-east-1"


class EvidenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # CloudTrail of moto has no LookupEvents: it logs a traceback, and the report lists it as not seen.
        logging.disable(logging.CRITICAL)
        cls.addClassCleanup(logging.disable, logging.NOTSET)
        cls.url = start_moto(cls)
        credentials = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": REGION}
        client = lambda service: boto3.client(service, endpoint_url=cls.url, **credentials)
        kms, secrets = client("kms"), client("secretsmanager")
        key = kms.create_key(Description="of the secret")["KeyMetadata"]["Arn"]
        version = secrets.create_secret(Name=NAME, SecretString=GUIDE_KEY, KmsKeyId=key)["VersionId"]
        secrets.update_secret_version_stage(SecretId=NAME, VersionStage="key-v1", MoveToVersionId=version)
        spec = {"KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256"}
        cls.signer = kms.create_key(**spec)["KeyMetadata"]["Arn"]
        client("cloudwatch").put_metric_alarm(
            AlarmName="PazPazRotationOff",
            **{"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1},
            **{"Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"},
        )

    def run_keys(self, *arguments):
        variables = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": REGION}
        environment = clean_environment(**variables, AWS_ENDPOINT_URL=self.url, SECRETS_MANAGER_KEY_NAME=NAME)
        program = ["node", built() / "cli" / "pazpaz-keys.mjs", "evidence", *arguments, "--json"]
        return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)

    def test_a_report_is_written_signed_and_verified_and_a_change_is_found(self):
        folder = work_folder() / "evidence"
        made = self.run_keys("--no-rows", "--out", folder, "--sign-with", self.signer)
        self.assertEqual(made.returncode, 1, made.stdout + made.stderr)
        overdue = json.loads(made.stdout)["result"]["verdict"]["overdue"]
        self.assertEqual([one["code"] for one in overdue], ["rotation-off"])
        evidence = json.loads((folder / "evidence.json").read_text())
        self.assertEqual([key["number"] for key in evidence["keys"]], [1])
        self.assertEqual([key["state"] for key in evidence["kmsKeys"]], ["Enabled"])
        self.assertIn("cloudtrail:LookupEvents", [unseen["needs"] for unseen in evidence["unseen"]])
        for text in [made.stdout, *(file.read_text() for file in folder.iterdir())]:
            self.assertNotIn(GUIDE_KEY, text)
        verified = self.run_keys("--verify", folder)
        self.assertEqual(verified.returncode, 0, verified.stdout)
        (report,) = json.loads(verified.stdout)["result"]["reports"]
        self.assertEqual([check["outcome"] for check in report["checks"]], ["good", "good", "not checked"])
        subprocess.run(["sha256sum", "-c", "evidence.sha256"], cwd=folder, check=True, capture_output=True)
        sums = folder / "evidence.sha256"
        sums.write_text(sums.read_text().replace("evidence.html", "another.html"))
        self.assertEqual(self.run_keys("--verify", folder).returncode, 1)
