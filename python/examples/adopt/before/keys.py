"""The registry: every version of the key, each read from a secret of its own when the process starts."""

import base64
import os
import re

import boto3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Registry:
    def __init__(self, current: int) -> None:
        client = boto3.client("secretsmanager", region_name="us-east-1")
        self.current = current
        self.keys = {
            version: AESGCM(base64.b64decode(client.get_secret_value(SecretId=secret_of(version))["SecretString"]))
            for version in range(1, current + 1)
        }
        client.close()

    def encrypt(self, plaintext: bytes) -> str:
        nonce = os.urandom(12)
        box = nonce + self.keys[self.current].encrypt(nonce, plaintext, None)
        return f"v{self.current}:{base64.b64encode(box).decode()}"

    def decrypt(self, text: str) -> bytes:
        match = re.fullmatch(r"v(\d+):(.*)", text)
        if match is None:
            raise ValueError("not a value of this application")
        box = base64.b64decode(match[2])
        return self.keys[int(match[1])].decrypt(box[:12], box[12:], None)


def secret_of(version: int) -> str:
    return f"clinic/encryption-key-v{version}"


_registry: Registry | None = None


def use_version(current: int) -> None:
    """A deployment with another current version."""
    global _registry
    _registry = Registry(current)


def registry() -> Registry:
    if _registry is None:
        raise RuntimeError("use_version was not called")
    return _registry
