"""The two calls of an application, both within the guide's read-only policy."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from .errors import ErrorCode, KeyRotationError
from .key_material import KeyMaterial
from .key_value import read_key_value
from .ring_labels import RingLabels
from .time_limit import within

T = TypeVar("T")

Answer = Mapping[str, Any]


class SecretsManagerClient(Protocol):
    """As much of boto3's client as is called."""

    def describe_secret(self, *, SecretId: str) -> Answer: ...

    def get_secret_value(self, *, SecretId: str, VersionId: str = ...) -> Answer: ...


class SecretVersion(NamedTuple):
    version_id: str
    key: KeyMaterial
    stages: tuple[str, ...]


class SecretSource:
    """Reads one secret, each call within a time limit, its retries included."""

    def __init__(
        self, region: str | None, secret_id: str, time_limit: float, client: SecretsManagerClient | None = None
    ) -> None:
        """``client``: one to use instead of one of its own, made when it is first needed; ``time_limit``: seconds."""
        self.secret_id = secret_id
        self._region = region
        self._time_limit = time_limit
        self._client = client
        self._is_own_client = client is None
        self._lock = threading.Lock()

    def describe(self) -> RingLabels:
        """Raises ``SECRET_NOT_FOUND``, ``SECRET_DELETED``, ``AWS_REFUSED``, ``CANNOT_REACH_AWS``."""
        return self._call(
            "DescribeSecret", lambda client: self._labels(client.describe_secret(SecretId=self.secret_id))
        )

    def read(self, version_id: str) -> SecretVersion:
        """Value and labels of a version, by one answer.

        Raises ``INVALID_KEY_VALUE``, ``AWS_REFUSED`` (no such version is one of its reasons), ``CANNOT_REACH_AWS``.
        """
        return self._call(
            "GetSecretValue",
            lambda client: self._version(client.get_secret_value(SecretId=self.secret_id, VersionId=version_id)),
        )

    def read_current(self) -> SecretVersion:
        """The version with ``AWSCURRENT``. Raises ``NO_CURRENT_KEY`` and ``SECRET_NOT_FOUND`` besides."""
        return self._call(
            "GetSecretValue", lambda client: self._version(client.get_secret_value(SecretId=self.secret_id))
        )

    def forget_connections(self) -> None:
        """After a fork: parent and child must not talk over one socket."""
        self._lock = threading.Lock()
        if self._is_own_client:
            self._client = None

    def _call(self, operation: str, call: Callable[[SecretsManagerClient], T]) -> T:
        try:
            return within(self._time_limit, lambda: call(self._connected()))
        except TimeoutError:
            failure = KeyRotationError(
                "CANNOT_REACH_AWS",
                f"AWS Secrets Manager did not answer {operation} of '{self.secret_id}' within {self._time_limit:g} s. "
                "Check VPC endpoint or NAT, that the security group lets HTTPS (443) out, and where the credentials "
                "come from.",
            )
        except KeyRotationError as error:
            failure = type(error)(error.code, str(error))
        except Exception as error:
            failure = _in_our_words(operation, self.secret_id, error)
        # Outside, without the library's error as context: a parser's quotes what it could not read, maybe a key.
        raise failure

    def _connected(self) -> SecretsManagerClient:
        with self._lock:
            if self._client is None:
                # Loaded here: an application with its key in the environment never needs it.
                from boto3.session import Session
                from botocore.config import Config

                config = Config(
                    connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}
                )
                self._client = Session().client("secretsmanager", region_name=self._region, config=config)
            client: SecretsManagerClient = self._client
            return client

    def _labels(self, answer: Answer) -> RingLabels:
        if "DeletedDate" in answer:
            raise secret_deleted(self.secret_id)
        arn = answer.get("ARN")
        if not isinstance(arn, str):  # an answer of something else than the service, read as a secret without versions
            raise _rubbish("DescribeSecret", self.secret_id)
        # A secret with replicas names the region of its original, there too.
        primary_region = answer.get("PrimaryRegion")
        is_replica = primary_region is not None and arn.split(":")[3:4] != [primary_region]
        stages = answer.get("VersionIdsToStages") or {}
        return RingLabels({version: tuple(labels) for version, labels in stages.items()}, is_replica)

    def _version(self, answer: Answer) -> SecretVersion:
        version_id, stages = answer.get("VersionId"), answer.get("VersionStages") or ()
        if not isinstance(version_id, str):
            raise _rubbish("GetSecretValue", self.secret_id)
        key = read_key_value(answer.get("SecretString"), answer.get("SecretBinary"))
        return SecretVersion(version_id, key, tuple(stages))


def no_current_key(secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "NO_CURRENT_KEY",
        f"The secret '{secret_id}' exists, but has no current key yet. Its first rotation makes one: wait for it, or "
        f"start it with 'aws secretsmanager rotate-secret --secret-id {secret_id}'; then try again.",
    )


def secret_deleted(secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "SECRET_DELETED",
        f"The secret '{secret_id}' is going to be deleted, and with it every key: bring it back at once with "
        f"'aws secretsmanager restore-secret --secret-id {secret_id}'.",
    )


def _rubbish(operation: str, secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "CANNOT_REACH_AWS",
        f"What answered {operation} of '{secret_id}' is not AWS Secrets Manager. Look for a proxy in between, and at "
        "the endpoint that is set.",
    )


def _in_our_words(operation: str, secret_id: str, error: Exception) -> KeyRotationError:
    """Quotes what the service itself answered; of any other error only its name."""
    code, status, message = _service_answer(error)
    if code is None:
        return KeyRotationError(
            "CANNOT_REACH_AWS",
            f"Cannot reach AWS Secrets Manager for {operation} of '{secret_id}' ({type(error).__name__}). Check "
            "credentials or task role, region, endpoint, VPC endpoint or NAT, and that the security group lets HTTPS "
            "(443) out.",
        )
    said = f"{code}: {message}"
    if code == "ResourceNotFoundException" and "for staging label: AWSCURRENT" in message:
        return no_current_key(secret_id)
    if code == "ResourceNotFoundException" and "VersionId" not in message:
        return KeyRotationError(
            "SECRET_NOT_FOUND",
            f"Secrets Manager has no secret '{secret_id}' in this region ({said}). Check SECRETS_MANAGER_KEY_NAME and "
            "AWS_REGION.",
        )
    if code == "InvalidRequestException" and "deletion" in message:
        return secret_deleted(secret_id)
    kind: ErrorCode = "AWS_REFUSED" if status < 500 else "CANNOT_REACH_AWS"
    advice = (
        "Give the role secretsmanager:DescribeSecret and secretsmanager:GetSecretValue on the secret, and kms:Decrypt "
        "on its KMS key."
        if code == "AccessDeniedException"
        else "It may pass by itself; look at the AWS health page and the quotas if it does not."
    )
    return KeyRotationError(kind, f"Secrets Manager refused {operation} of '{secret_id}' ({said}). {advice}")


def _service_answer(error: Exception) -> tuple[str | None, int, str]:
    """Error type, HTTP status and message, where the error is an answer of the service."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return None, 0, ""
    answer = error.response.get("Error", {})
    code, message = answer.get("Code"), answer.get("Message")
    # For an answer that it cannot read botocore puts the status for the type and the body for the message.
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z][A-Za-z]{2,80}", code) or not isinstance(message, str):
        return None, 0, ""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code, status if isinstance(status, int) else 0, message
