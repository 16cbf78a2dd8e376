"""Deploys template.yaml to moto's server, over a secret that was made with the guide's own commands, and reads it back.

moto's CloudFormation does not know every type: those that are left out are in NOT_IN_MOTO. Alarms and metric filters are
among them; they are made with the properties that the template resolves to, through the API that CloudFormation calls.

Run with the pinned tools: python test/aws/stack_on_moto.py
"""

import io
import json
import logging
import os
import unittest
import zipfile
from pathlib import Path

os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from moto_service import start_moto

NOT_IN_MOTO = {
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::SecretsManager::Secret",
}
SECRET_NAME = "pazpaz/encryption-key-v1"
GUIDE_KEY = "rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY="
REGION, ACCOUNT = "us-east-1", "123456789012"

# moto keeps AWS::NoValue in a list as null, where CloudFormation leaves the item out.
_clean_json = parsing.clean_json
parsing.clean_json = lambda value, resources: (
    [item for item in cleaned if item is not None] if isinstance(cleaned := _clean_json(value, resources), list) else cleaned
)


class NoManagedPolicies:
    def load(self):
        return {}


def template():
    """The template after the SAM transform, without what moto cannot make."""
    source = yaml_parse(Path("template.yaml").read_text())
    source["Resources"]["KeyRotationFunction"]["Properties"]["CodeUri"] = "s3://code/function.zip"
    whole = transform(source, {}, NoManagedPolicies())
    left_out = {name: one for name, one in whole["Resources"].items() if one["Type"] in NOT_IN_MOTO}
    kept = {name: dict(one) for name, one in whole["Resources"].items() if name not in left_out}
    for one in kept.values():
        one.pop("DependsOn", None)
        if one["Type"] == "AWS::KMS::Key":
            one["Properties"].pop("Tags")  # moto reads TagKey here, which is the API's spelling and not CloudFormation's
    made_from_secret = {name for name, one in whole["Outputs"].items() if "EncryptionKeySecret" in json.dumps(one)}
    outputs = {name: one for name, one in whole["Outputs"].items() if name not in made_from_secret}
    return {**whole, "Resources": kept, "Outputs": outputs}, left_out


class StackOnMoto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        url = start_moto(cls)
        cls.client = staticmethod(lambda service: boto3.client(service, endpoint_url=url))

        # The guide's steps 1 and 2.
        kms = cls.client("kms")
        cls.key_arn = kms.create_key(Description="PazPaz Secrets Manager encryption key")["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName="alias/pazpaz-secrets", TargetKeyId=cls.key_arn)
        secret = cls.client("secretsmanager").create_secret(
            Name=SECRET_NAME, SecretString=GUIDE_KEY, KmsKeyId="alias/pazpaz-secrets"
        )
        cls.secret_arn, cls.version = secret["ARN"], secret["VersionId"]

        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("handler.js", "exports.handler = async () => {};")
        cls.client("s3").create_bucket(Bucket="code")
        cls.client("s3").put_object(Bucket="code", Key="function.zip", Body=archive.getvalue())

        body, cls.left_out = template()
        given = {
            "ExistingSecretArn": cls.secret_arn,
            "ExistingSecretName": SECRET_NAME,
            "ExistingKmsKeyArn": cls.key_arn,
            "KeyAliasName": "",
        }
        cls.client("cloudformation").create_stack(
            StackName="pazpaz",
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = cls.client("cloudformation").describe_stacks(StackName="pazpaz")["Stacks"][0]
        cls.status = stack["StackStatus"]
        cls.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def resolved(self, kind):
        """Properties of a type that moto left out, resolved by moto against what it made."""
        (stack,) = cloudformation_backends[ACCOUNT][REGION].stacks.values()
        names = [name for name, one in self.left_out.items() if one["Type"] == kind]
        conditions = stack.resource_map.lazy_condition_map
        made = [name for name in names if conditions.get(self.left_out[name].get("Condition"), True)]
        return [parsing.clean_json(self.left_out[name]["Properties"], stack.resource_map) for name in made]

    def document(self, output):
        iam = self.client("iam")
        policy = iam.get_policy(PolicyArn=self.outputs[output])["Policy"]
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        return policy["PolicyName"], version["PolicyVersion"]["Document"]["Statement"]

    def test_the_stack_is_made(self):
        self.assertEqual(self.status, "CREATE_COMPLETE")

    def test_the_secret_that_was_taken_over_is_as_it_was(self):
        client = self.client("secretsmanager")
        self.assertEqual(client.get_secret_value(SecretId=SECRET_NAME)["SecretString"], GUIDE_KEY)
        self.assertEqual(
            client.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"], {self.version: ["AWSCURRENT"]}
        )
        self.assertEqual(self.outputs["SecretName"], SECRET_NAME)

    def test_the_policies_name_this_secret_and_this_key(self):
        name, (read, decrypt) = self.document("ReadOnlyPolicyArn")
        self.assertEqual(name, "PazPazSecretsReadOnly")
        self.assertEqual((read["Resource"], decrypt["Resource"]), ([self.secret_arn], [self.key_arn]))
        name, statements = self.document("AdminPolicyArn")
        self.assertEqual(name, "PazPazSecretsAdmin")
        self.assertEqual(statements[1]["Resource"], [self.key_arn])
        self.assertEqual(statements[-1]["Effect"], "Deny")

    def test_the_role_of_the_function_has_its_policy(self):
        role = self.outputs["FunctionRoleArn"].split("/")[-1]
        document = self.client("iam").get_role_policy(RoleName=role, PolicyName="KeyRotation")["PolicyDocument"]
        self.assertEqual(document["Statement"][0]["Resource"], self.secret_arn)

    def test_the_function_is_on_node_24_and_knows_its_secret(self):
        made = self.client("lambda").get_function_configuration(FunctionName=self.outputs["FunctionName"])
        self.assertEqual((made["Runtime"], made["Handler"]), ("nodejs24.x", "handler.handler"))
        self.assertEqual(made["Environment"]["Variables"]["SECRET_ARN"], self.secret_arn)

    def test_every_service_that_calls_the_function_is_permitted_to_by_source(self):
        policy = json.loads(self.client("lambda").get_policy(FunctionName="PazPazKeyRotation")["Policy"])
        callers = [one["Principal"]["Service"] for one in policy["Statement"]]
        self.assertEqual(sorted(set(callers)), ["events.amazonaws.com", "secretsmanager.amazonaws.com"])
        self.assertTrue(all("AWS:SourceArn" in json.dumps(one["Condition"]) for one in policy["Statement"]))

    def test_the_rules_are_there(self):
        rules = self.client("events").list_rules()["Rules"]
        self.assertEqual(len(rules), 10)
        self.assertEqual(sum("ScheduleExpression" in rule for rule in rules), 1)

    def test_the_alarms_have_their_thresholds(self):
        client = self.client("cloudwatch")
        for alarm in self.resolved("AWS::CloudWatch::Alarm"):
            client.put_metric_alarm(**alarm | {"Threshold": float(alarm["Threshold"])})
        alarms = {one["AlarmName"]: one for one in client.describe_alarms()["MetricAlarms"]}
        self.assertEqual(len(alarms), 9)
        excessive, denied = alarms["PazPazExcessiveKeyAccess"], alarms["PazPazUnauthorizedKeyAccess"]
        self.assertEqual((excessive["Period"], excessive["Threshold"]), (3600, 100))
        self.assertEqual((denied["Period"], denied["Threshold"]), (300, 1))
        self.assertEqual({one["AlarmActions"][0] for one in alarms.values()}, {self.outputs["TopicArn"]})

    def test_the_metric_filters_are_accepted(self):
        client = self.client("logs")
        for one in self.resolved("AWS::Logs::MetricFilter"):
            (transformation,) = one["MetricTransformations"]
            client.put_metric_filter(
                logGroupName=one["LogGroupName"],
                filterName=one["FilterName"],
                filterPattern=one["FilterPattern"],
                metricTransformations=[{name[0].lower() + name[1:]: value for name, value in transformation.items()}],
            )
        made = {each["filterName"]: each for each in client.describe_metric_filters()["metricFilters"]}
        self.assertEqual(len(made), 10)
        self.assertIn(self.secret_arn.split(":")[-1], made["PazPazSecretAccess"]["filterPattern"])


if __name__ == "__main__":
    unittest.main()
