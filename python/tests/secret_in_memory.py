"""A secret that answers as boto3's client would, and that a test can silence or hold up."""

import threading
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError


class SecretInMemory:
    """``ring``: as a ring stands in vectors/rings.json."""

    def __init__(self, ring: Mapping[str, Any]) -> None:
        self.ring = ring
        self.is_silent = ring.get("aws") == "silent"
        self.tags: dict[str, str] = {}
        self.calls: list[str] = []
        self.answers = threading.Event()
        """While it is cleared, calls wait."""
        self.answers.set()
        self.hanging: set[int | None] = set()
        """The threads whose calls wait for an answer that does not come."""
        self._hangs: frozenset[str] = frozenset()
        self.mended = threading.Event()
        """Set when what keeps it from answering has ended."""

    def describe_secret(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        self._take("DescribeSecret")
        primary_region = self.ring.get("primaryRegion")
        return {
            "ARN": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SecretId}-AbCdEf",
            "VersionIdsToStages": {version["versionId"]: version["stages"] for version in self.ring["versions"]},
            "Tags": [{"Key": name, "Value": value} for name, value in self.tags.items()],
        } | ({"PrimaryRegion": primary_region} if primary_region else {})

    def get_secret_value(self, *, SecretId: str, VersionId: str = "") -> Mapping[str, Any]:  # noqa: ARG002, N803
        self._take("GetSecretValue", VersionId)
        version = next(version for version in self.ring["versions"] if version["versionId"] == VersionId)
        if version.get("denied"):
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "Access to KMS is not allowed"}}
            raise ClientError(answer, "GetSecretValue")
        value: dict[str, Any] = {}
        if "secretString" in version:
            value["SecretString"] = version["secretString"]
        if "secretBinary" in version:
            value["SecretBinary"] = bytes.fromhex(version["secretBinary"])
        return {"VersionId": VersionId, "VersionStages": version["stages"], **value}

    # Words of the domain

    def add(self, key: bytes, *stages: str, **more: object) -> str:
        """A version with these labels, and those that had them lose them."""
        for version in self.ring["versions"]:
            version["stages"] = [label for label in version["stages"] if label not in stages]
        version_id = f"version-{len(self.ring['versions']) + 1}"
        self.ring["versions"].append({"versionId": version_id, "stages": [*stages], "secretBinary": key.hex(), **more})
        return version_id

    def rotate(self, key: bytes) -> None:
        """The state that a rotation ends in."""
        self.add(key, f"key-v{len(self.ring['versions']) + 1}", "AWSCURRENT")

    def version(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ring["versions"][number - 1]
        return found

    def record_retirement(self, number: int) -> None:
        """Records it as the command does, before it takes the label away."""
        self.tags[f"pazpaz:retired:key-v{number}"] = f"{self.version(number)['versionId']} 2026-01-01T00:00:00.000Z"

    def unlabel(self, number: int) -> None:
        self.version(number)["stages"] = [label for label in self.version(number)["stages"] if label[:3] == "AWS"]

    def deny(self, version_id: str, denied: bool = True) -> None:
        """Whether reading the value of a version is refused."""
        next(version for version in self.ring["versions"] if version["versionId"] == version_id)["denied"] = denied

    def hang(self, *what: str) -> None:
        """From now on these calls, and those for these versions, get no answer."""
        self._hangs = frozenset(what)
        self.mended = threading.Event()

    def mend(self) -> None:
        """Ends what keeps it from answering; what waited is interrupted."""
        self._hangs, self.is_silent = frozenset(), False
        self.mended.set()
        self.answers.set()

    def _take(self, call: str, version_id: str = "") -> None:
        self.calls.append(call)
        if not self._hangs.isdisjoint({call, version_id}):
            self.hanging.add(threading.get_ident())
            self.mended.wait()
            self.hanging.discard(threading.get_ident())
            raise ConnectionClosedError(endpoint_url="x")
        self.answers.wait()
        if self.is_silent:
            raise EndpointConnectionError(endpoint_url="x")


def secret_with(*keys: bytes) -> SecretInMemory:
    """A secret with the keys 1, 2 and so on, the last of them current."""
    secret = SecretInMemory({"versions": []})
    for key in keys:
        secret.rotate(key)
    return secret
