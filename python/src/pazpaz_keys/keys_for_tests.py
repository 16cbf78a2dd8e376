"""The keys of a ring for unit tests, without AWS."""

import base64
import os
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from .errors import KeyRotationError
from .settings import Settings

TEST_SETTINGS = Settings("local", "us-east-1", "test-keys", None)


class TestKeys:
    """Random keys in the memory of this process, gone when it ends. Key 1 is current at first.

    Several rings can share them. For a ring they are a client of Secrets Manager that answers at once.
    """

    __test__: ClassVar[bool] = False  # pytest takes a class of this name for tests otherwise

    def __init__(self) -> None:
        self._values: list[str] = []
        self.rotate()

    def rotate(self) -> int:
        """Makes the next key current, as a rotation does, and returns its number. A ring sees it at its next
        ``refresh``.
        """
        self._values.append(base64.b64encode(secrets.token_bytes(32)).decode())
        return len(self._values)

    def describe_secret(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        """As AWS describes a secret that has never retired a key."""
        stages = {_version_id(number): [f"key-v{number}"] for number in range(1, len(self._values) + 1)}
        for label, number in (("AWSCURRENT", len(self._values)), ("AWSPREVIOUS", len(self._values) - 1)):
            if number > 0:
                stages[_version_id(number)].append(label)
        arn = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SecretId}-AbCdEf"
        return {"ARN": arn, "VersionIdsToStages": stages}

    def get_secret_value(self, *, SecretId: str, VersionId: str = "") -> Mapping[str, Any]:  # noqa: N803
        """The value of one version, or of the current one."""
        stages = self.describe_secret(SecretId=SecretId)["VersionIdsToStages"]
        version_id = VersionId or _version_id(len(self._values))
        if version_id not in stages:
            raise KeyRotationError("KEY_UNAVAILABLE", f"These test keys have no version {version_id}.")
        value = self._values[list(stages).index(version_id)]
        return {"VersionId": version_id, "VersionStages": stages[version_id], "SecretString": value}


def refuse_test_keys_outside_tests(environment: str | None = None) -> None:
    """Raises ``INVALID_SETTINGS`` where ``ENVIRONMENT`` names a deployment: what test keys encrypt is lost there."""
    environment = os.environ.get("ENVIRONMENT") if environment is None else environment
    if environment in ("production", "staging"):
        raise KeyRotationError(
            "INVALID_SETTINGS",
            f"KeyRing.for_test must not be used where ENVIRONMENT is {environment}: its keys are gone when the process "
            "ends, and every row that they encrypted. Use KeyRing.open.",
        )


def _version_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"
