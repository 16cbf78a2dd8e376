"""The two calls of an application. The read-only policy of the setup guide allows both."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from .call_timeout import TimedCalls, ring_closed
from .clock import RingClock
from .errors import KeyRotationError
from .key_material import KeyMaterial
from .key_value import read_key_value
from .retired_tag import copy_versions, retirement_records
from .ring_labels import RingLabels
from .unlogged_answers import answers_unlogged

T = TypeVar("T")

Answer = Mapping[str, Any]


class SecretsManagerClient(Protocol):
    """The calls of boto3's client that are used."""

    def describe_secret(self, *, SecretId: str) -> Answer: ...

    def get_secret_value(self, *, SecretId: str, VersionId: str = ...) -> Answer: ...


class _OwnClient(SecretsManagerClient, Protocol):
    def close(self) -> None: ...


class SecretVersion(NamedTuple):
    version_id: str
    key: KeyMaterial
    stages: tuple[str, ...]


class SecretSource:
    """Reads one secret. Each call has a time limit, including retries."""

    def __init__(
        self,
        region: str | None,
        secret_id: str,
        time_limit: float,
        client: SecretsManagerClient | None = None,
        clock: RingClock | None = None,
    ) -> None:
        """``client``: the client to use instead of a new one, which is made when it is first needed. ``time_limit``:
        seconds.
        """
        self.secret_id = secret_id
        self.time_limit = time_limit
        self._region = region
        self._calls = TimedCalls(time_limit, clock or RingClock())
        self._given_client = client
        self._own_client: _OwnClient | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def describe(self) -> RingLabels:
        """Raises ``SECRET_NOT_FOUND``, ``SECRET_DELETED``, ``AWS_REFUSED``, ``CANNOT_REACH_AWS``."""
        return self._call(
            "DescribeSecret", lambda client: self._labels(client.describe_secret(SecretId=self.secret_id))
        )

    def read(self, version_id: str) -> SecretVersion:
        """Value and labels of a version, from one answer.

        Raises ``INVALID_KEY_VALUE``, ``AWS_REFUSED`` (for example, no such version), ``CANNOT_REACH_AWS``.
        """
        return self._call(
            "GetSecretValue",
            lambda client: self._version(client.get_secret_value(SecretId=self.secret_id, VersionId=version_id)),
        )

    def read_current(self) -> SecretVersion:
        """The version with ``AWSCURRENT``. Also raises ``NO_CURRENT_KEY`` and ``SECRET_NOT_FOUND``."""
        return self._call(
            "GetSecretValue", lambda client: self._version(client.get_secret_value(SecretId=self.secret_id))
        )

    def close(self) -> None:
        """Ends running calls and closes its own connections. A given client stays open."""
        self._calls.end_all()
        # Without the lock, which a thread may hold while it makes a client.
        self._is_closed = True
        self._close_own_client()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._calls.after_fork()
        self._own_client = None  # parent and child must not share a socket

    def _call(self, operation: str, call: Callable[[SecretsManagerClient], T]) -> T:
        def answer() -> T:
            with answers_unlogged():
                return call(self._connected())

        try:
            return self._calls.run(answer)
        except TimeoutError:
            failure = _cannot_reach(f"no answer within {self.time_limit:g} s", operation, self.secret_id)
        except KeyRotationError as error:
            failure = error.without_traceback()
        except Exception as error:
            failure = _in_our_words(operation, self.secret_id, error)
        # Outside, so that the library's error is not the context: a parser quotes what it could not read, maybe a key.
        try:
            raise failure
        finally:
            del failure  # otherwise the error, its traceback and this frame would hold each other

    def _connected(self) -> SecretsManagerClient:
        if self._given_client is not None:
            return self._given_client
        with self._lock:
            client = self._own_client
            if client is None:
                client = self._own_client = _client_in(self._region, self.time_limit)
        if self._is_closed:  # perhaps while the client was made
            self._close_own_client()
            raise ring_closed()
        return client

    def _close_own_client(self) -> None:
        client, self._own_client = self._own_client, None
        if client is not None:
            client.close()

    def _labels(self, answer: Answer) -> RingLabels:
        if "DeletedDate" in answer:
            raise secret_deleted(self.secret_id)
        arn = answer.get("ARN")
        if not isinstance(arn, str):  # not an answer of the service; it would read as a secret without versions
            raise _rubbish("DescribeSecret", self.secret_id)
        # A primary with replicas has it, too: its own region.
        primary_region = answer.get("PrimaryRegion")
        is_replica = primary_region is not None and arn.split(":")[3:4] != [primary_region]
        stages = answer.get("VersionIdsToStages") or {}
        tags = answer.get("Tags") or ()
        records, copies = retirement_records(tags), copy_versions(tags)
        return RingLabels({version: tuple(labels) for version, labels in stages.items()}, is_replica, records, copies)

    def _version(self, answer: Answer) -> SecretVersion:
        version_id, stages = answer.get("VersionId"), answer.get("VersionStages") or ()
        if not isinstance(version_id, str):
            raise _rubbish("GetSecretValue", self.secret_id)
        text, binary = answer.get("SecretString"), answer.get("SecretBinary")
        if text is None and binary is None:  # a version always has a value, so this answer says nothing about the key
            raise _rubbish("GetSecretValue", self.secret_id)
        key = read_key_value(text, binary)
        return SecretVersion(version_id, key, tuple(stages))


def _client_in(region: str | None, time_limit: float) -> _OwnClient:
    """``time_limit``: seconds for a whole call. One request gets part of it, so that a second one fits in."""
    # Loaded here, because an application with its key in the environment never needs it.
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=time_limit * 0.2,
        read_timeout=time_limit * 0.6,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    client: _OwnClient = Session().client("secretsmanager", region_name=region, config=config)
    return client


def no_current_key(secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "NO_CURRENT_KEY",
        f"The secret '{secret_id}' exists, but has no current key yet. Its first rotation makes one: wait for it, "
        f"or start it with 'aws secretsmanager rotate-secret --secret-id {secret_id}'. Then try again.",
    )


def lost_current_key(secret_id: str) -> KeyRotationError:
    """A secret never loses its current key, so an answer without one is not trusted in any respect."""
    return KeyRotationError(
        "NO_CURRENT_KEY",
        f"The answer for the secret '{secret_id}' names no current key, although an earlier one did, so it is not "
        "trusted. Check what answers in place of AWS Secrets Manager, and whether the secret was deleted and "
        "created again.",
    )


def secret_deleted(secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "SECRET_DELETED",
        f"The secret '{secret_id}' is scheduled for deletion, and every key with it. Restore it at once with 'aws "
        f"secretsmanager restore-secret --secret-id {secret_id}'.",
    )


def _rubbish(operation: str, secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "CANNOT_REACH_AWS",
        f"The answer to {operation} of '{secret_id}' does not come from AWS Secrets Manager. Check for a proxy on "
        "the way, and the endpoint that is set.",
    )


def _cannot_reach(found: str, operation: str, secret_id: str) -> KeyRotationError:
    return KeyRotationError(
        "CANNOT_REACH_AWS",
        f"Cannot reach AWS Secrets Manager for {operation} of '{secret_id}' ({found}). Check the region, the "
        "endpoint URL, the credentials or role, and outgoing HTTPS (port 443): proxy, VPC endpoint or NAT, "
        "security group.",
    )


def _in_our_words(operation: str, secret_id: str, error: Exception) -> KeyRotationError:
    """Quotes an answer of the service. For any other error, gives only its name."""
    code, message = _service_answer(error)
    if code is None:
        return _cannot_reach(type(error).__name__, operation, secret_id)
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
    advice = (
        "Give the role secretsmanager:DescribeSecret and secretsmanager:GetSecretValue on the secret, and kms:Decrypt "
        "on its KMS key."
        if code == "AccessDeniedException"
        else "It may pass by itself. If it does not, check the AWS Health Dashboard and the quotas."
    )
    return KeyRotationError("AWS_REFUSED", f"Secrets Manager refused {operation} of '{secret_id}' ({said}). {advice}")


def _service_answer(error: Exception) -> tuple[str | None, str]:
    """Error type and message, if the error is an answer of the service."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return None, ""
    answer = error.response.get("Error", {})
    code, message = answer.get("Code"), answer.get("Message")
    # For an answer that it cannot read, botocore uses the status as the type and the body as the message.
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z][A-Za-z]{2,80}", code) or not isinstance(message, str):
        return None, ""
    return code, message
