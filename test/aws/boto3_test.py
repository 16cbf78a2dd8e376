"""boto3 drives the local service: nothing is told to it but the address."""

import json
import unittest
import urllib.error
import urllib.request
import uuid

import boto3
import botocore.exceptions
from botocore.config import Config

from operations import *
from started import GUIDE_KEY, LAMBDA_ARN, LocalService


def new_token():
    return str(uuid.uuid4())


class Boto3Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = LocalService("--retry-pause", "0")
        cls.addClassCleanup(cls.service.stop)
        cls.client = boto3.client(
            "secretsmanager",
            endpoint_url=cls.service.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )
        cls.addClassCleanup(cls.client.close)

    def setUp(self):
        self.name = f"test/{new_token()}"

    def create(self, **members):
        return self.client.create_secret(**{"Name": self.name, "SecretString": GUIDE_KEY, **members})

    def rotate(self, **members):
        answer = self.client.rotate_secret(
            **{
                "SecretId": self.name,
                "RotationLambdaARN": LAMBDA_ARN,
                "RotationRules": {"AutomaticallyAfterDays": 365},
                **members,
            }
        )
        self.service.idle()
        return answer["VersionId"]

    def labels(self):
        return {id: set(labels) for id, labels in self.describe().get("VersionIdsToStages", {}).items()}

    def describe(self):
        return self.client.describe_secret(SecretId=self.name)

    def assert_refused(self, code, message, call, **members):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**members)
        error = caught.exception.response
        self.assertEqual((error["Error"]["Code"], error["Error"]["Message"]), (code, message))
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400)

    def fail_calls(self, operation):
        fault = {"operation": operation, "kind": "error", "type": "InternalServiceError", "message": "set by a test"}
        self.service.control("POST", "faults", {**fault, "secretId": self.name})
        self.addCleanup(self.service.control, "DELETE", "faults")

    # --- A rotation

    def test_a_rotation_by_the_built_lambda_numbers_both_keys_and_moves_the_labels(self):
        first = self.create()["VersionId"]
        second = self.rotate()
        self.assertEqual(self.labels(), {first: {"AWSPREVIOUS", "key-v1"}, second: {"AWSCURRENT", "key-v2"}})
        third = self.rotate()
        self.assertEqual(
            self.labels(), {first: {"key-v1"}, second: {"AWSPREVIOUS", "key-v2"}, third: {"AWSCURRENT", "key-v3"}}
        )
        described = self.describe()
        self.assertTrue(described["RotationEnabled"])
        self.assertEqual(described["RotationLambdaARN"], LAMBDA_ARN)
        self.assertEqual(described["RotationRules"], {"AutomaticallyAfterDays": 365})
        self.assertIn((described["NextRotationDate"] - described["LastRotatedDate"]).days, (364, 365))

    def test_every_version_is_read_by_its_id_and_by_each_of_its_labels(self):
        first = self.create()["VersionId"]
        second = self.rotate()
        self.assertEqual(self.client.get_secret_value(SecretId=self.name)["VersionId"], second)
        for members, version in [
            ({"VersionId": first}, first),
            ({"VersionStage": "AWSPREVIOUS"}, first),
            ({"VersionStage": "key-v1"}, first),
            ({"VersionStage": "key-v2"}, second),
            ({"VersionId": second, "VersionStage": "AWSCURRENT"}, second),
        ]:
            read = self.client.get_secret_value(SecretId=self.name, **members)
            self.assertEqual(read["VersionId"], version, members)
            self.assertEqual(read["SecretString"] == GUIDE_KEY, version == first)

    def test_versions_without_labels_are_listed_only_when_asked_for_and_read_by_id(self):
        first = self.create()["VersionId"]
        for value in ("second", "third"):
            self.client.put_secret_value(SecretId=self.name, SecretString=value)
        listed = self.client.list_secret_version_ids(SecretId=self.name)["Versions"]
        self.assertEqual({tuple(one["VersionStages"]) for one in listed}, {("AWSCURRENT",), ("AWSPREVIOUS",)})
        everything = {"SecretId": self.name, "IncludeDeprecated": True, "MaxResults": 2}
        page = self.client.list_secret_version_ids(**everything)
        rest = self.client.list_secret_version_ids(**everything, NextToken=page["NextToken"])
        self.assertEqual([len(each["Versions"]) for each in (page, rest)], [2, 1])
        self.assertNotIn("NextToken", rest)
        self.assertEqual(self.client.get_secret_value(SecretId=self.name, VersionId=first)["SecretString"], GUIDE_KEY)

    def test_a_test_run_leaves_the_labels_as_they_were(self):
        first = self.create()["VersionId"]
        self.rotate(RotateImmediately=False)
        self.assertEqual(self.labels(), {first: {"AWSCURRENT"}})

    def test_a_secret_without_a_value_gets_key_1_by_its_first_rotation(self):
        self.client.create_secret(Name=self.name)
        self.assertNotIn("VersionIdsToStages", self.describe())
        first = self.rotate()
        self.assertEqual(self.labels(), {first: {"AWSCURRENT", "key-v1"}})

    def test_a_schedule_rotates_when_its_time_comes(self):
        self.create()
        self.rotate()
        self.service.control("POST", "clock", {"toNextRotationOf": self.name})
        self.assertIn({"AWSCURRENT", "key-v3"}, self.labels().values())

    def test_a_rotation_that_failed_leaves_a_placeholder_and_is_reattempted_with_its_token(self):
        first = self.create()["VersionId"]
        self.fail_calls("PutSecretValue")
        pending = self.rotate()
        self.assertEqual(self.labels(), {first: {"AWSCURRENT"}, pending: {"AWSPENDING"}})
        read = self.client.get_secret_value
        self.assert_refused(
            "ResourceNotFoundException", no_version(pending), read, SecretId=self.name, VersionId=pending
        )
        self.assert_refused(
            "ResourceNotFoundException", no_label("AWSPENDING"), read, SecretId=self.name, VersionStage="AWSPENDING"
        )
        self.service.control("DELETE", "faults")
        self.assert_refused("InvalidRequestException", NOT_COMPLETE, self.client.rotate_secret, SecretId=self.name)
        self.service.idle()
        self.assertEqual(self.labels(), {first: {"AWSPREVIOUS", "key-v1"}, pending: {"AWSCURRENT", "key-v2"}})

    def test_cancelling_a_rotation_leaves_its_label_and_a_value_by_hand_takes_it_away(self):
        self.create()
        self.fail_calls("PutSecretValue")
        pending = self.rotate()
        self.service.control("DELETE", "faults")
        self.client.cancel_rotate_secret(SecretId=self.name)
        self.assertFalse(self.describe()["RotationEnabled"])
        self.assertEqual(self.labels()[pending], {"AWSPENDING"})
        put = self.client.put_secret_value(SecretId=self.name, SecretString="by hand")
        self.assertEqual(put["VersionStages"], ["AWSCURRENT"])
        self.assertNotIn("AWSPENDING", set().union(*self.labels().values()))

    # --- Labels by hand

    def test_awscurrent_takes_awsprevious_along_and_never_goes_away(self):
        first = self.create()["VersionId"]
        second = self.client.put_secret_value(SecretId=self.name, SecretString="second")["VersionId"]
        move = self.client.update_secret_version_stage
        move(SecretId=self.name, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second)
        self.assertEqual(self.labels(), {first: {"AWSCURRENT"}, second: {"AWSPREVIOUS"}})
        self.assert_refused(
            *("InvalidParameterException", NEVER_REMOVED, move),
            **{"SecretId": self.name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": first},
        )

    def test_a_label_moves_only_with_the_version_that_has_it_named(self):
        first = self.create()["VersionId"]
        second = self.client.put_secret_value(SecretId=self.name, SecretString="second")["VersionId"]
        move = self.client.update_secret_version_stage
        to_second = {"SecretId": self.name, "VersionStage": "key-v1", "MoveToVersionId": second}
        move(SecretId=self.name, VersionStage="key-v1", MoveToVersionId=first)
        self.assert_refused("InvalidParameterException", attached_elsewhere("key-v1", first), move, **to_second)
        self.assert_refused(
            "InvalidParameterException", wrong_holder("key-v1"), move, **to_second, RemoveFromVersionId=second
        )
        detach = {"SecretId": self.name, "VersionStage": "key-v1", "RemoveFromVersionId": second}
        self.assert_refused("InvalidRequestException", NOT_ASSOCIATED, move, **detach)
        missing = new_token()
        self.assert_refused(
            *("ResourceNotFoundException", no_version(missing), move),
            **{"SecretId": self.name, "VersionStage": "x", "MoveToVersionId": missing},
        )
        move(**to_second, RemoveFromVersionId=first)
        self.assertEqual(self.labels(), {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT", "key-v1"}})

    def test_a_version_has_20_labels_at_most(self):
        first = self.create()["VersionId"]
        for number in range(1, 20):
            self.client.update_secret_version_stage(
                SecretId=self.name, VersionStage=f"key-v{number}", MoveToVersionId=first
            )
        with self.assertRaises(self.client.exceptions.LimitExceededException):
            self.client.update_secret_version_stage(SecretId=self.name, VersionStage="key-v20", MoveToVersionId=first)

    # --- Errors

    def test_what_is_not_there_is_not_found(self):
        read = self.client.get_secret_value
        self.assert_refused("ResourceNotFoundException", NO_SECRET, read, SecretId=self.name)
        self.assert_refused("ResourceNotFoundException", NO_SECRET, self.client.describe_secret, SecretId=self.name)
        first = self.create()["VersionId"]
        missing = new_token()
        self.assert_refused(
            "ResourceNotFoundException", no_version(missing), read, SecretId=self.name, VersionId=missing
        )
        self.assert_refused(
            "ResourceNotFoundException", no_label("key-v9"), read, SecretId=self.name, VersionStage="key-v9"
        )
        both = {"SecretId": self.name, "VersionId": first, "VersionStage": "AWSPREVIOUS"}
        self.assert_refused("InvalidRequestException", NOT_ASSOCIATED, read, **both)

    def test_a_token_stands_for_one_value(self):
        token = new_token()
        arn = self.create(ClientRequestToken=token)["ARN"]
        put = self.client.put_secret_value
        same = {"SecretId": self.name, "ClientRequestToken": token, "SecretString": GUIDE_KEY}
        changed = self.describe()["LastChangedDate"]
        self.assertEqual(put(**same, VersionStages=["AWSPENDING"])["VersionStages"], ["AWSCURRENT"])
        self.assertEqual(self.describe()["LastChangedDate"], changed)
        other = {**same, "SecretString": "other"}
        self.assert_refused("ResourceExistsException", token_in_use(token, arn), put, **other)
        exists = f"The operation failed because the secret {self.name} already exists."
        self.assert_refused("ResourceExistsException", exists, self.create)
        self.assert_refused(
            "ResourceExistsException", token_in_use(token, arn), self.create, ClientRequestToken=token, SecretString="x"
        )

    def test_a_missing_token_is_refused_before_the_secret_is_looked_up(self):
        def take_out(params, **_):
            body = json.loads(params["body"])
            del body["ClientRequestToken"]
            params["body"] = json.dumps(body)

        event = "before-call.secrets-manager"
        self.client.meta.events.register(event, take_out)
        self.addCleanup(self.client.meta.events.unregister, event, take_out)
        put, rotate = self.client.put_secret_value, self.client.rotate_secret
        self.assert_refused("InvalidRequestException", TOKEN_MISSING, put, SecretId="nowhere", SecretString="x")
        self.assert_refused("InvalidParameterException", TOKEN_MISSING, rotate, SecretId="nowhere")

    def test_bad_input_is_refused_with_the_services_words(self):
        self.create()
        put, rotate = self.client.put_secret_value, self.client.rotate_secret
        self.assert_refused("InvalidRequestException", NO_VALUE, put, SecretId=self.name)
        self.assert_refused("InvalidRequestException", NO_LAMBDA, rotate, SecretId=self.name)
        self.assert_refused(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
            self.client.create_secret,
            Name="with a space",
        )
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            put(SecretId=self.name, SecretString="x" * 65_537)
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")
        self.assertIn(
            "at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536",
            caught.exception.response["Error"]["Message"],
        )

    def test_an_error_is_http_400_with_a_bare_type_and_a_message(self):
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "secretsmanager.GetSecretValue",
            "Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/secretsmanager/aws4_request, "
            "SignedHeaders=host, Signature=0",
        }
        request = urllib.request.Request(self.service.url, b'{"SecretId":"nowhere"}', headers)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.exception as answer:
            self.assertEqual(answer.code, 400)
            self.assertEqual(json.load(answer), {"__type": "ResourceNotFoundException", "Message": NO_SECRET})
            self.assertEqual(answer.headers["Content-Type"], "application/x-amz-json-1.1")

    def test_a_deleted_secret_is_kept_and_comes_back(self):
        self.create()
        self.client.delete_secret(SecretId=self.name, RecoveryWindowInDays=7)
        self.assert_refused(
            "InvalidRequestException", MARKED_FOR_DELETION, self.client.get_secret_value, SecretId=self.name
        )
        self.assertIn("DeletedDate", self.describe())
        self.client.restore_secret(SecretId=self.name)
        self.assertEqual(self.client.get_secret_value(SecretId=self.name)["SecretString"], GUIDE_KEY)

    def test_describe_leaves_out_what_is_unset_and_last_changed_moves_with_every_change(self):
        first = self.create()["VersionId"]
        described = self.describe()
        for member in ("RotationEnabled", "RotationLambdaARN", "Tags", "Description", "KmsKeyId", "DeletedDate"):
            self.assertNotIn(member, described)
        changes = [
            lambda: self.client.tag_resource(SecretId=self.name, Tags=[{"Key": "a", "Value": "b"}]),
            lambda: self.client.update_secret_version_stage(
                SecretId=self.name, VersionStage="key-v1", MoveToVersionId=first
            ),
            lambda: self.client.untag_resource(SecretId=self.name, TagKeys=["a"]),
        ]
        for change in changes:
            self.service.control("POST", "clock", {"advance": "1s"})
            change()
            before, described = described, self.describe()
            self.assertGreater(described["LastChangedDate"], before["LastChangedDate"])

    # --- Everything else

    def test_each_of_the_20_operations_answers_as_botocore_expects(self):
        self.service.control("DELETE", "calls")
        client, secret = self.client, {"SecretId": self.name}
        self.create(Description="a key", Tags=[{"Key": "Project", "Value": "PazPaz"}], KmsKeyId="alias/pazpaz-secrets")
        self.rotate()
        client.cancel_rotate_secret(**secret)
        self.assertEqual(client.update_secret(**secret, SecretBinary=b"\x00\xff" * 16)["Name"], self.name)
        self.assertEqual(client.get_secret_value(**secret)["SecretBinary"], b"\x00\xff" * 16)
        version = client.put_secret_value(**secret, SecretString="text")["VersionId"]
        client.update_secret_version_stage(**secret, VersionStage="mine", MoveToVersionId=version)
        self.assertEqual(len(client.list_secret_version_ids(**secret)["Versions"]), 4)
        batch = client.batch_get_secret_value(SecretIdList=[self.name, "nowhere"])
        self.assertEqual([one["SecretString"] for one in batch["SecretValues"]], ["text"])
        self.assertEqual([one["ErrorCode"] for one in batch["Errors"]], ["ResourceNotFoundException"])
        listed = client.list_secrets(Filters=[{"Key": "name", "Values": [self.name]}])["SecretList"]
        self.assertEqual(listed[0]["Tags"], [{"Key": "Project", "Value": "PazPaz"}])
        self.assertEqual(listed[0]["KmsKeyId"], "alias/pazpaz-secrets")
        client.tag_resource(**secret, Tags=[{"Key": "a", "Value": "b"}])
        client.untag_resource(**secret, TagKeys=["Project"])
        self.assertEqual(self.describe()["Tags"], [{"Key": "a", "Value": "b"}])
        self.assertEqual(len(client.get_random_password(PasswordLength=20)["RandomPassword"]), 20)
        self.assertTrue(client.validate_resource_policy(ResourcePolicy=POLICY)["PolicyValidationPassed"])
        client.put_resource_policy(**secret, ResourcePolicy=POLICY, BlockPublicPolicy=True)
        self.assertEqual(client.get_resource_policy(**secret)["ResourcePolicy"], POLICY)
        client.delete_resource_policy(**secret)
        self.assertNotIn("ResourcePolicy", client.get_resource_policy(**secret))
        client.delete_secret(**secret)
        client.restore_secret(**secret)
        called = {one["operation"] for one in self.service.control("GET", "calls")["calls"] if one["outcome"] == "ok"}
        self.assertEqual(called, OPERATIONS)
