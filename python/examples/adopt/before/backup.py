"""The application's own backup of its keys: the current value of each secret, in a file."""

import json
from pathlib import Path

import boto3

from .keys import registry, secret_of


def back_up(path: Path) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    values = {
        secret_of(version): client.get_secret_value(SecretId=secret_of(version))["SecretString"]
        for version in registry().keys
    }
    client.close()
    path.write_text(json.dumps(values))
    path.chmod(0o600)
