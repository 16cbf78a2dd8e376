"""The local Secrets Manager of this repository, as boto3 and the tests see it."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config

NAME = "pazpaz/encryption-key-v1"
FIRST_KEY = "bXkga2V5IGZvciB0aGUgdGVzdHMgb2YgcHl0aG9uIDE="
LAMBDA_ARN = "arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation"


class LocalService:
    """One process; ``stop`` ends it."""

    def __init__(self, build: Path, region: str = "us-east-1") -> None:
        command = ["node", str(build / "local" / "local.mjs"), "--port", "0", "--region", region]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        first_line = self._process.stdout.readline()
        match = re.search(r"http://[0-9.:]+", first_line)
        assert match, f"the local service said: {first_line!r}"
        self.url = match[0]
        self.client = Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region).client(
            "secretsmanager", endpoint_url=self.url, config=Config(retries={"total_max_attempts": 1})
        )

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    # Words of the domain

    def create(self, name: str, value: str | None = FIRST_KEY) -> None:
        value_of = {} if value is None else {"SecretString": value}
        self.client.create_secret(Name=name, **value_of)

    def rotate(self, name: str) -> None:
        """One rotation from its start to its end, by the built Lambda."""
        self.client.rotate_secret(
            SecretId=name, RotationLambdaARN=LAMBDA_ARN, RotationRules={"AutomaticallyAfterDays": 365}
        )
        self.control("GET", "idle")

    def version_of(self, name: str, label: str) -> str:
        stages = self.client.describe_secret(SecretId=name)["VersionIdsToStages"]
        return next(str(version) for version, labels in stages.items() if label in labels)

    def put(self, name: str, value: str | bytes, *labels: str) -> str:
        """A version by hand."""
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        answer = self.client.put_secret_value(SecretId=name, VersionStages=list(labels), **{kind: value})
        return str(answer["VersionId"])

    def label(self, name: str, label: str, version_id: str | None) -> None:
        """Moves a label to a version, or takes it off."""
        stages = self.client.describe_secret(SecretId=name)["VersionIdsToStages"]
        holder = next((version for version, labels in stages.items() if label in labels), None)
        self.client.update_secret_version_stage(
            SecretId=name,
            VersionStage=label,
            **({"RemoveFromVersionId": holder} if holder else {}),
            **({"MoveToVersionId": version_id} if version_id else {}),
        )

    # Its control path

    def control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return cast("dict[str, Any]", json.load(answer))

    def fault(self, **fault: object) -> None:
        self.control("POST", "faults", fault)

    def heal(self) -> None:
        self.control("DELETE", "faults")

    def forget_calls(self) -> None:
        self.control("DELETE", "calls")

    def calls(self) -> dict[str, int]:
        return cast("dict[str, int]", self.control("GET", "calls")["counts"])
