"""The parameters utility of Powertools for Python: a value is read once, and again where the caller forces it."""

import os

import boto3
from aws_lambda_powertools.utilities import parameters

name = os.environ["SECRET"]
print(parameters.get_secret(name))
print(parameters.get_secret(name))
boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString="second")
print(parameters.get_secret(name, force_fetch=True))
print(parameters.get_secret(name, force_fetch=True, VersionStage="AWSPREVIOUS"))
