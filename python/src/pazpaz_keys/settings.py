"""Where an application's keys come from, according to its environment variables."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .errors import InvalidKeyValueError, KeyRotationError, without_frames
from .example_key import EXAMPLE_KEY_REFUSED, is_example_key
from .key_material import KeyMaterial
from .key_value import read_key_value
from .process_key import ProcessKey

_SPELLING = {
    "AWS_REGION": (re.compile("[a-z0-9-]+"), "a region"),
    "SECRETS_MANAGER_KEY_NAME": (re.compile("[A-Za-z0-9/_+=.@!:-]+"), "the name or ARN of a secret"),
}

EnvironmentName = Literal["local", "staging", "production"]


@dataclass(frozen=True)
class Settings:
    """The settings of the setup guide. They print no key.

    ==============  ======================================================  =========================
    ``ENVIRONMENT`` key ring                                                fallback
    ==============  ======================================================  =========================
    ``local``       ``ENCRYPTION_MASTER_KEY``; AWS if a secret is named too with AWS: that key
    ``staging``     AWS: ``AWS_REGION``, ``SECRETS_MANAGER_KEY_NAME``       ``ENCRYPTION_MASTER_KEY``
    ``production``  as for ``staging``                                      as for ``staging``, warned
    ==============  ======================================================  =========================
    """

    environment: EnvironmentName
    region: str | None
    secret_id: str | None
    """Name or ARN of the secret; None if the environment's key is the only one and AWS is never called."""
    environment_key: KeyMaterial | None
    """The key to use while AWS has not returned one yet."""
    _process_key: ProcessKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_process_key", ProcessKey(self.environment, self.region, self.secret_id, self.environment_key)
        )

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
    example key is refused except for ``local``.
    """
    try:
        return _settings(env)
    except KeyRotationError as error:
        del env  # with the key in it
        raise without_frames(error) from None


def _settings(env: Mapping[str, str]) -> Settings:
    environment = _environment_name(env)
    secret_id = _spelled(env, "SECRETS_MANAGER_KEY_NAME")
    environment_key = _environment_key(env)
    if environment != "local" and environment_key is not None and is_example_key(environment_key):
        raise _invalid(f"ENCRYPTION_MASTER_KEY {EXAMPLE_KEY_REFUSED}")
    if environment == "local" and secret_id is None:
        if environment_key is None:
            raise _invalid(
                "ENCRYPTION_MASTER_KEY must be set where ENVIRONMENT is local, but is not. Set it to a key that "
                "you made (openssl rand -base64 32), or set AWS_REGION and SECRETS_MANAGER_KEY_NAME to try a "
                "secret in AWS."
            )
        return Settings(environment, None, None, environment_key)
    return Settings(
        environment,
        _required(env, "AWS_REGION", environment, "the region of the secret, such as us-east-1"),
        _required(
            env,
            "SECRETS_MANAGER_KEY_NAME",
            environment,
            "name or ARN of the secret, such as pazpaz/encryption-key-v1",
        ),
        environment_key,
    )


def _environment_name(env: Mapping[str, str]) -> EnvironmentName:
    value = env.get("ENVIRONMENT") or None
    for name in get_args(EnvironmentName):
        if name == value:
            known: EnvironmentName = name
            return known
    # There is no safe default: a wrong one writes data under the wrong key.
    found = "is not set" if value is None else f"is {json.dumps(value)}{_hint(value)}"
    raise _invalid(f"ENVIRONMENT must be one of {', '.join(get_args(EnvironmentName))}, but {found}.")


def _environment_key(env: Mapping[str, str]) -> KeyMaterial | None:
    value = env.get("ENCRYPTION_MASTER_KEY") or None
    if value is None:
        return None
    try:
        return read_key_value(value, source="a key")
    except InvalidKeyValueError as error:
        found = str(error)
    raise _invalid(
        f"ENCRYPTION_MASTER_KEY must hold a key of 32 bytes as base64 or in hexadecimal, but does not: {found}"
    )


def _required(env: Mapping[str, str], name: str, environment: EnvironmentName, what: str) -> str:
    value = _spelled(env, name)
    if value is None:
        raise _invalid(f"{name} must be set where ENVIRONMENT is {environment}, but is not: {what}.")
    return value


def _spelled(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name) or None
    spelling, named = _SPELLING[name]
    if value is None or spelling.fullmatch(value):
        return value
    found = f"{json.dumps(value)}{_hint(value)}"
    raise _invalid(f"{name} has a character that {named} cannot have, found {found}.")


def _hint(value: str) -> str:
    if re.search("[\"'`]", value):
        return " (docker --env-file keeps quotation marks: leave them out)"
    if "\r" in value:
        return " (it ends in a carriage return: save the file with Unix line ends)"
    return " (it contains white space: remove it)" if re.search(r"\s", value) else ""


def _invalid(message: str) -> KeyRotationError:
    return KeyRotationError("INVALID_SETTINGS", message)
