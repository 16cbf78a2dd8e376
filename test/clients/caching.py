"""AWS's caching client for Python: a value is read once, and again after a refresh."""

import os

import boto3
from aws_secretsmanager_caching import SecretCache

name = os.environ["SECRET"]
client = boto3.client("secretsmanager")
cache = SecretCache(client=client)
print(cache.get_secret_string(name))
print(cache.get_secret_string(name))
client.put_secret_value(SecretId=name, SecretString="second")
cache.refresh_secret_now(name)
print(cache.get_secret_string(name))
print(cache.get_secret_string(name, version_stage="AWSPREVIOUS"))
