"""Where an application's keys come from, according to its environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .environment_variables import (
    EnvironmentName,
    chosen,
    environment_name,
    invalid,
    key_of,
    numbered_keys_of,
    region_of,
    secret_of,
)
from .errors import KeyRotationError, without_frames
from .key_material import KeyMaterial
from .process_key import ProcessKey

KeySource = Literal["environment", "aws"]

_WITHOUT_AWS = ". To use keys of the environment alone, set ENCRYPTION_KEY_SOURCE=environment"


@dataclass(frozen=True)
class Settings:
    """The settings of the setup guide. They print no key.

    =============== ======================================================  =========================
    ``ENVIRONMENT`` key ring                                                fallback
    =============== ======================================================  =========================
    ``local``       ``ENCRYPTION_MASTER_KEY``; AWS if a secret is named too with AWS: that key
    ``development`` as for ``local``                                        as for ``local``
    ``staging``     AWS: ``AWS_REGION``, ``SECRETS_MANAGER_KEY_NAME``       ``ENCRYPTION_MASTER_KEY``
    ``production``  as for ``staging``                                      as for ``staging``, warned
    =============== ======================================================  =========================

    ``ENCRYPTION_KEY_SOURCE=environment`` is production without AWS. ``ENCRYPTION_MASTER_KEY_V2`` is key 2 of the
    environment: without AWS the highest number encrypts; beside AWS, such keys only decrypt.
    ``ENCRYPTION_FALLBACK=off`` takes the fallback away.
    """

    environment: EnvironmentName
    region: str | None
    secret_id: str | None
    """Name or ARN of the secret; None if the environment's keys are the only ones and AWS is never called."""
    environment_key: KeyMaterial | None
    """``ENCRYPTION_MASTER_KEY``: the key to use while AWS has not returned one yet."""
    numbered_keys: tuple[tuple[int, KeyMaterial], ...] = ()
    """The keys of ``ENCRYPTION_MASTER_KEY_V2`` and so on, each after its number, in ascending order."""
    has_fallback: bool = True
    """Whether ``environment_key`` may encrypt while AWS has not returned a key yet."""
    _process_key: ProcessKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        writing = self.writing_key
        key = None if writing is None else writing[1]
        object.__setattr__(self, "_process_key", ProcessKey(self.environment, self.region, self.secret_id, key))

    @property
    def key_source(self) -> KeySource:
        return "environment" if self.secret_id is None else "aws"

    @property
    def environment_keys(self) -> dict[int, KeyMaterial]:
        """Every key of the environment by its number; ``ENCRYPTION_MASTER_KEY`` has number 0."""
        return ({} if self.environment_key is None else {0: self.environment_key}) | dict(self.numbered_keys)

    @property
    def writing_key(self) -> tuple[int, KeyMaterial] | None:
        """Number and key of the environment that encrypt while no key of AWS does; None if none of them may."""
        keys = self.environment_keys
        if self.secret_id is None:
            return max(keys.items(), default=None)
        return (0, keys[0]) if self.has_fallback and 0 in keys else None

    @property
    def encryption_key(self) -> bytes:
        """The current key, 32 bytes, for ``encrypt_field`` and ``decrypt_field`` with a given key.

        It is read once and kept for the life of the process, so restart the process after each rotation. A ``KeyRing``
        needs no restart. While the fallback is in use, AWS is asked again at most once a minute.

        Raises ``NO_CURRENT_KEY``, ``SECRET_NOT_FOUND``, ``SECRET_DELETED``, ``AWS_REFUSED`` or ``CANNOT_REACH_AWS`` if
        AWS returns no key and there is no fallback, ``INVALID_KEY_VALUE`` if the value is not a key.
        """
        return self._process_key.key().export_bytes()


def load_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads the settings from environment variables. An empty variable counts as unset.

    Raises ``INVALID_SETTINGS``, which names the variable and never shows a key. Quotation marks, white space and
    carriage returns are refused, because an ``--env-file`` keeps them and no secret has such a name. The setup guide's
    example key is refused except for ``local`` and ``development``.
    """
    try:
        return _settings(env)
    except KeyRotationError as error:
        del env  # with the keys in it
        raise without_frames(error) from None


def _settings(env: Mapping[str, str]) -> Settings:
    environment = environment_name(env)
    source = chosen(env, "ENCRYPTION_KEY_SOURCE", ("environment", "aws"))
    fallback = chosen(env, "ENCRYPTION_FALLBACK", ("on", "off"))
    secret_id = secret_of(env)
    environment_key = key_of(env, "ENCRYPTION_MASTER_KEY", environment)
    numbered_keys = numbered_keys_of(env, environment)
    if source == "environment" and secret_id is not None:
        raise invalid(
            "ENCRYPTION_KEY_SOURCE is environment, but SECRETS_MANAGER_KEY_NAME names a secret. Remove the one that is "
            "not meant."
        )
    by_default = environment in ("local", "development") and source is None and secret_id is None
    if source == "environment" or by_default:
        if environment_key is None and not numbered_keys:
            where = f"ENVIRONMENT is {environment}" if by_default else "ENCRYPTION_KEY_SOURCE is environment"
            advice = ", or set AWS_REGION and SECRETS_MANAGER_KEY_NAME to try a secret in AWS" if by_default else ""
            raise invalid(
                f"ENCRYPTION_MASTER_KEY must be set where {where}, but is not. Set it to a key that you made "
                f"(openssl rand -base64 32){advice}."
            )
        return Settings(environment, None, None, environment_key, numbered_keys)
    where = f"ENVIRONMENT is {environment}" if secret_id is None else "SECRETS_MANAGER_KEY_NAME names a secret"
    alone = _WITHOUT_AWS if secret_id is None else ""
    region = _required("AWS_REGION", region_of(env), where, f"the region of the secret, such as us-east-1{alone}")
    name = _required(
        "SECRETS_MANAGER_KEY_NAME",
        secret_of(env, region),
        where,
        f"name or ARN of the secret, such as pazpaz/encryption-key-v1{alone}",
    )
    return Settings(environment, region, name, environment_key, numbered_keys, fallback != "off")


def _required(name: str, value: str | None, where: str, what: str) -> str:
    if value is None:
        raise invalid(f"{name} must be set where {where}, but is not: {what}.")
    return value
