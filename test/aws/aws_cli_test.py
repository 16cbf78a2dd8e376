"""The AWS CLI drives the local service: nothing is told to it but the address."""

import json
import subprocess
import unittest
import uuid

from operations import *
from started import GUIDE_KEY, LAMBDA_ARN, TOOLS, LocalService, clean_environment, work_folder


SETTINGS = ("_REGION", "_ACCESS_KEY_ID", "_ACCESS_KEY", "_SECRETS_MANAGER")


class AwsCli:
    """`aws secretsmanager` with an environment of its own."""

    def __init__(self, url):
        self.environment = clean_environment(AWS_ENDPOINT_URL_SECRETS_MANAGER=url, AWS_MAX_ATTEMPTS="1")

    def run(self, *arguments, **changed):
        command = [str(TOOLS / "aws"), "secretsmanager", *arguments]
        return subprocess.run(command, env={**self.environment, **changed}, capture_output=True, text=True)

    def __call__(self, *arguments, **changed):
        """What it answers, or nothing."""
        done = self.run(*arguments, "--output", "json", **changed)
        if done.returncode != 0:
            raise AssertionError(f"aws secretsmanager {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None


class AwsCliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = LocalService("--retry-pause", "0")
        cls.addClassCleanup(cls.service.stop)
        cls.aws = AwsCli(cls.service.url)

    def setUp(self):
        self.name = f"test/{uuid.uuid4()}"
        self.of_it = ("--secret-id", self.name)

    def create(self):
        return self.aws("create-secret", "--name", self.name, "--secret-string", GUIDE_KEY)["VersionId"]

    def put(self, value):
        return self.aws("put-secret-value", *self.of_it, "--secret-string", value)["VersionId"]

    def rotate(self):
        """The guide's command."""
        lambda_arn, rules = ("--rotation-lambda-arn", LAMBDA_ARN), ("--rotation-rules", "AutomaticallyAfterDays=365")
        version = self.aws("rotate-secret", *self.of_it, *lambda_arn, *rules)["VersionId"]
        self.service.idle()
        return version

    def labels(self):
        return {
            id: set(labels) for id, labels in self.aws("describe-secret", *self.of_it)["VersionIdsToStages"].items()
        }

    def assert_refused(self, code, operation, message, *arguments):
        done = self.aws.run(*arguments)
        self.assertNotEqual(done.returncode, 0)
        said = f"An error occurred ({code}) when calling the {operation} operation: {message}"
        self.assertIn(said, done.stderr.strip().splitlines())

    def test_create_rotate_describe_read_and_list_with_the_guides_commands(self):
        first = self.create()
        second = self.rotate()
        self.assertEqual(self.labels(), {first: {"AWSPREVIOUS", "key-v1"}, second: {"AWSCURRENT", "key-v2"}})

        def read(*which):
            return self.aws("get-secret-value", *self.of_it, *which)

        self.assertEqual(read("--version-id", first)["SecretString"], GUIDE_KEY)
        self.assertEqual(read("--version-stage", "key-v1")["VersionId"], first)
        self.assertEqual(read("--version-stage", "AWSPREVIOUS")["VersionId"], first)
        self.assertEqual(read()["VersionId"], second)
        listed = self.aws("list-secret-version-ids", *self.of_it)["Versions"]
        self.assertEqual({one["VersionId"] for one in listed}, {first, second})

    def test_the_address_can_be_an_option(self):
        first = self.create()
        read = self.aws(
            *("get-secret-value", *self.of_it, "--endpoint-url", self.service.url),
            AWS_ENDPOINT_URL_SECRETS_MANAGER="http://127.0.0.1:9",
        )
        self.assertEqual(read["VersionId"], first)

    def test_the_line_that_the_service_prints_is_all_that_a_shell_needs(self):
        line = self.service.wait_for(r"export AWS_\S+=.*")[0]
        environment = {name: value for name, value in self.aws.environment.items() if not name.endswith(SETTINGS)}
        command = f"{line}; '{TOOLS}/aws' secretsmanager create-secret --name {self.name}"
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.aws("describe-secret", *self.of_it)["Name"], self.name)

    def test_a_missing_secret_version_and_label_are_told_apart(self):
        read = ("get-secret-value", *self.of_it)
        not_found = ("ResourceNotFoundException", "GetSecretValue")
        self.assert_refused(*not_found, NO_SECRET, *read)
        first = self.create()
        missing = str(uuid.uuid4())
        self.assert_refused(*not_found, no_version(missing), *read, "--version-id", missing)
        self.assert_refused(*not_found, no_label("AWSPENDING"), *read, "--version-stage", "AWSPENDING")
        both = ("--version-id", first, "--version-stage", "key-v1")
        self.assert_refused("InvalidRequestException", "GetSecretValue", NOT_ASSOCIATED, *read, *both)

    def test_labels_move_as_on_the_real_service(self):
        first = self.create()
        second = self.put("second")
        move = ("update-secret-version-stage", *self.of_it, "--version-stage")
        operation = "UpdateSecretVersionStage"
        self.assert_refused(
            *("InvalidParameterException", operation, attached_elsewhere("AWSCURRENT", second)),
            *(*move, "AWSCURRENT", "--move-to-version-id", first),
        )
        self.assert_refused(
            *("InvalidParameterException", operation, NEVER_REMOVED),
            *(*move, "AWSCURRENT", "--remove-from-version-id", second),
        )
        self.assert_refused(
            *("InvalidRequestException", operation, NOT_ASSOCIATED),
            *(*move, "key-v1", "--remove-from-version-id", second),
        )
        self.aws(*move, "AWSCURRENT", "--move-to-version-id", first, "--remove-from-version-id", second)
        self.assertEqual(self.labels(), {first: {"AWSCURRENT"}, second: {"AWSPREVIOUS"}})

    def test_a_token_that_stands_for_another_value_is_refused(self):
        arn = self.aws("create-secret", "--name", self.name)["ARN"]
        version = self.put("first")
        again = ("put-secret-value", *self.of_it, "--client-request-token", version, "--secret-string")
        self.assertEqual(self.aws(*again, "first")["VersionId"], version)
        in_use = token_in_use(version, arn)
        self.assert_refused("ResourceExistsException", "PutSecretValue", in_use, *again, "other")

    def test_a_rotation_that_is_not_complete_is_named_and_reattempted(self):
        self.create()
        fault = {"operation": "PutSecretValue", "kind": "throttle", "secretId": self.name}
        self.service.control("POST", "faults", fault)
        self.addCleanup(self.service.control, "DELETE", "faults")
        pending = self.rotate()
        read = ("get-secret-value", *self.of_it, "--version-id", pending)
        self.assert_refused("ResourceNotFoundException", "GetSecretValue", no_version(pending), *read)
        self.service.control("DELETE", "faults")
        self.assert_refused("InvalidRequestException", "RotateSecret", NOT_COMPLETE, "rotate-secret", *self.of_it)
        self.service.idle()
        self.assertEqual(self.labels()[pending], {"AWSCURRENT", "key-v2"})

    def test_rotation_without_a_lambda_is_refused(self):
        self.create()
        self.assert_refused("InvalidRequestException", "RotateSecret", NO_LAMBDA, "rotate-secret", *self.of_it)

    def test_each_of_the_20_operations_has_a_command_that_works(self):
        self.service.control("DELETE", "calls")
        binary = work_folder() / "value"
        binary.write_bytes(b"\x00\xff" * 16)
        version = self.create()
        self.rotate()
        self.aws("cancel-rotate-secret", *self.of_it)
        self.aws("update-secret", *self.of_it, "--secret-binary", f"fileb://{binary}", "--description", "a key")
        self.put("text")
        label = ("--version-stage", "mine", "--move-to-version-id", version)
        self.aws("update-secret-version-stage", *self.of_it, *label)
        self.aws("get-secret-value", *self.of_it)
        self.aws("list-secret-version-ids", *self.of_it, "--include-deprecated")
        batch = self.aws("batch-get-secret-value", "--secret-id-list", self.name)
        self.assertEqual([one["SecretString"] for one in batch["SecretValues"]], ["text"])
        listed = self.aws("list-secrets", "--filters", f"Key=name,Values={self.name}")
        self.assertEqual(listed["SecretList"][0]["Description"], "a key")
        self.aws("tag-resource", *self.of_it, "--tags", "Key=Project,Value=PazPaz")
        self.aws("untag-resource", *self.of_it, "--tag-keys", "Project")
        self.assertEqual(len(self.aws("get-random-password", "--password-length", "20")["RandomPassword"]), 20)
        policy = ("--resource-policy", POLICY)
        self.assertTrue(self.aws("validate-resource-policy", *policy)["PolicyValidationPassed"])
        self.aws("put-resource-policy", *self.of_it, *policy, "--block-public-policy")
        self.assertEqual(self.aws("get-resource-policy", *self.of_it)["ResourcePolicy"], POLICY)
        self.aws("delete-resource-policy", *self.of_it)
        self.aws("delete-secret", *self.of_it, "--recovery-window-in-days", "7")
        self.aws("restore-secret", *self.of_it)
        self.aws("describe-secret", *self.of_it)
        called = {one["operation"] for one in self.service.control("GET", "calls")["calls"] if one["outcome"] == "ok"}
        self.assertEqual(called, OPERATIONS)
