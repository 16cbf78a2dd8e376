"""Reads environment variables, and says what is wrong with one."""

import json
import re
from collections.abc import Mapping
from typing import Literal, TypeVar, get_args

from .errors import InvalidKeyValueError, KeyRotationError
from .example_key import EXAMPLE_KEY_REFUSED, is_refused_example
from .key_material import KeyMaterial
from .key_number import MAX_KEY_NUMBER
from .key_value import read_key_value

EnvironmentName = Literal["local", "development", "staging", "production"]

_REGION = re.compile("[a-z]{2,}(-[a-z]+)+-[0-9]+")
_NAME = re.compile("[A-Za-z0-9/_+=.@!:-]+")
_ARN = re.compile("arn:[a-z-]+:secretsmanager:([a-z0-9-]+):[0-9]{12}:secret:.+")
_LONGEST_NAME = 512
_SHORTEST_KEY = 32
_NUMBERED = "ENCRYPTION_MASTER_KEY_V"
_NUMBER = re.compile("[1-9][0-9]{0,8}")

Choice = TypeVar("Choice", bound=str)
Variables = Mapping[str, str]


def environment_name(env: Variables) -> EnvironmentName:
    names: tuple[EnvironmentName, ...] = get_args(EnvironmentName)
    name = chosen(env, "ENVIRONMENT", names)
    if name is None:
        # There is no safe default: a wrong one writes data under the wrong key.
        raise invalid(f"ENVIRONMENT must be one of {', '.join(names)}, but is not set.")
    return name


def chosen(env: Variables, variable: str, choices: tuple[Choice, ...]) -> Choice | None:
    """The choice that a variable names; None if it is not set."""
    value = _value_of(env, variable)
    for choice in choices:
        if choice == value:
            return choice
    if value is not None:
        raise invalid(f"{variable} must be one of {', '.join(choices)}, but is {_shown(value)}{_hint(value)}.")
    return None


def region_of(env: Variables) -> str | None:
    value = _value_of(env, "AWS_REGION")
    if value is None or _REGION.fullmatch(value):
        return value
    raise invalid(f"AWS_REGION must be a region, such as us-east-1, but is {_shown(value)}{_hint(value)}.")


def secret_of(env: Variables, region: str | None = None) -> str | None:
    """The name or ARN of the secret. An ARN must be in ``region``."""
    variable = "SECRETS_MANAGER_KEY_NAME"
    value = _value_of(env, variable)
    if value is None:
        return None
    if not _NAME.fullmatch(value):
        raise invalid(
            f"{variable} has a character that the name or ARN of a secret cannot have, found "
            f"{_shown(value)}{_hint(value)}."
        )
    if not value.startswith("arn:"):
        if ":" in value:
            raise invalid(f"{variable} has a colon, which the name of a secret cannot have, found {_shown(value)}.")
        if len(value) > _LONGEST_NAME:
            raise invalid(f"{variable} has {len(value)} characters, but the name of a secret at most {_LONGEST_NAME}.")
        return value
    arn = _ARN.fullmatch(value)
    if arn is None:
        raise invalid(
            f"{variable} is not the ARN of a secret, found {_shown(value)}. One looks like "
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf."
        )
    if region is not None and arn[1] != region:
        raise invalid(f"{variable} is the ARN of a secret in {arn[1]}, but AWS_REGION is {region}.")
    return value


def key_of(env: Variables, variable: str, environment: EnvironmentName) -> KeyMaterial | None:
    value = _value_of(env, variable)
    if value is None:
        return None
    try:
        key = read_key_value(value, source="a key")
    except InvalidKeyValueError as error:
        found = str(error)
    else:
        if is_refused_example(key, environment):
            raise invalid(f"{variable} {EXAMPLE_KEY_REFUSED}")
        return key
    raise invalid(f"{variable} must hold a key of 32 bytes as base64 or in hexadecimal, but does not: {found}")


def numbered_keys_of(env: Variables, environment: EnvironmentName) -> tuple[tuple[int, KeyMaterial], ...]:
    """The keys of ``ENCRYPTION_MASTER_KEY_V2`` and so on, each after its number, in ascending order."""
    keys: dict[int, KeyMaterial] = {}
    for variable in sorted(name for name in env if name.startswith(_NUMBERED)):
        key = key_of(env, variable, environment)
        if key is None:
            continue
        number = variable[len(_NUMBERED) :]
        if not _NUMBER.fullmatch(number):
            raise invalid(f"{variable} must end in the number of its key, 1 to {MAX_KEY_NUMBER} without leading zeros.")
        keys[int(number)] = key
    return tuple(sorted(keys.items()))


def invalid(message: str) -> KeyRotationError:
    return KeyRotationError("INVALID_SETTINGS", message)


def _shown(value: str) -> str:
    """A value in a message. A key of 32 bytes may be pasted into any variable, in any spelling."""
    if len(value) >= _SHORTEST_KEY and not value.startswith("arn:"):
        return f"a value of {len(value)} characters that may be a key (not shown)"
    return json.dumps(value)


def _value_of(env: Variables, variable: str) -> str | None:
    return env.get(variable) or None


def _hint(value: str) -> str:
    if re.search("[\"'`]", value):
        return " (docker --env-file keeps quotation marks: leave them out)"
    if "\r" in value:
        return " (it ends in a carriage return: save the file with Unix line ends)"
    return " (it contains white space: remove it)" if re.search(r"\s", value) else ""
