"""The environments table of the guide, row by row, and its settings object."""

import base64
import logging
import os
import threading
from collections.abc import Callable

import pytest

from local_service import FIRST_KEY, LocalService
from pazpaz_keys import KeyRing, KeyRotationError, decrypt_field, load_settings
from ring_words import until
from secret_in_memory import secret_with

AWS = {"AWS_REGION": "us-east-1", "SECRETS_MANAGER_KEY_NAME": "pazpaz/encryption-key-v1"}
FIRST_BYTES = base64.b64decode(FIRST_KEY)


def event_names(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if hasattr(record, "event")]


def refusal(act: Callable[[], object]) -> KeyRotationError:
    with pytest.raises(KeyRotationError) as error:
        act()
    return error.value


def test_local_takes_the_key_of_the_environment_and_never_asks_aws(service: LocalService) -> None:
    settings = load_settings({"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": FIRST_KEY})
    assert settings.encryption_key == FIRST_BYTES
    with KeyRing.open(settings) as ring:
        row = ring.encrypt_field("text", "a")
        assert row[0] == 0
        assert ring.decrypt_field(row, "a") == "text"
        assert not ring.is_fallen_back
        assert refusal(lambda: ring.decrypt_field(row, "b")).code == "TAMPERED_OR_WRONG_CONTEXT"
        assert refusal(lambda: ring.decrypt_field(b"\x05" + row[1:], "a")).code == "KEY_NEVER_ISSUED"
    assert service.calls() == {}


def test_local_has_no_fallback() -> None:
    error = refusal(lambda: load_settings({"ENVIRONMENT": "local"}))
    assert error.code == "INVALID_SETTINGS"
    assert "ENCRYPTION_MASTER_KEY must be set where ENVIRONMENT is local" in str(error)


def test_local_tries_aws_where_a_secret_is_named(service: LocalService, name: str) -> None:
    key = os.urandom(32)
    service.create(name, base64.b64encode(key).decode())
    env = {"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": FIRST_KEY} | AWS | {"SECRETS_MANAGER_KEY_NAME": name}
    assert load_settings(env).encryption_key == key


def test_local_falls_back_to_its_own_key_where_the_secret_that_it_names_cannot_be_had(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    env = {"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": FIRST_KEY} | AWS | {"SECRETS_MANAGER_KEY_NAME": name}
    settings = load_settings(env)
    assert settings.encryption_key == FIRST_BYTES
    with KeyRing.open(settings) as ring:
        assert ring.is_fallen_back
    assert service.calls().keys() == {"GetSecretValue", "DescribeSecret"}
    assert event_names(caplog) == ["aws_unavailable_using_env_fallback"] * 2


def test_local_without_a_key_of_its_own_has_no_fallback_for_a_secret_that_it_names(
    service: LocalService, name: str
) -> None:
    settings = load_settings({"ENVIRONMENT": "local"} | AWS | {"SECRETS_MANAGER_KEY_NAME": name})
    assert refusal(lambda: settings.encryption_key).code == "SECRET_NOT_FOUND"
    assert refusal(lambda: KeyRing.open(settings)).code == "SECRET_NOT_FOUND"
    service.create(name)
    assert settings.encryption_key == FIRST_BYTES


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_staging_and_production_take_the_key_of_aws(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture, environment: str
) -> None:
    caplog.set_level(logging.INFO, "pazpaz_keys")
    service.create(name)
    settings = load_settings({"ENVIRONMENT": environment} | AWS | {"SECRETS_MANAGER_KEY_NAME": name})
    assert settings.encryption_key == FIRST_BYTES
    assert settings.encryption_key == FIRST_BYTES
    assert service.calls()["GetSecretValue"] == 1
    (record,) = caplog.records
    assert event_names(caplog) == ["encryption_key_fetched_from_aws"]
    assert record.event_fields == {  # type: ignore[attr-defined]
        "secret_id": name,
        "environment": environment,
        "version_id": service.version_of(name, "AWSCURRENT"),
    }


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_staging_and_production_fall_back_to_the_key_of_the_environment_and_log_it(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture, environment: str
) -> None:
    env = {"ENVIRONMENT": environment, "ENCRYPTION_MASTER_KEY": FIRST_KEY} | AWS | {"SECRETS_MANAGER_KEY_NAME": name}
    settings = load_settings(env)
    assert settings.encryption_key == FIRST_BYTES
    assert settings.encryption_key == FIRST_BYTES
    expected = ["aws_unavailable_using_env_fallback"]
    assert event_names(caplog) == (["env_key_set_in_production"] if environment == "production" else []) + expected
    assert sum(service.calls().values()) == 1  # it is not asked again for each row


NAMED = {"AWS_REGION": "us-east-1", "SECRETS_MANAGER_KEY_NAME": "name"}
RING_KEY = bytes(range(32))
TABLE = [
    # environment, whether a secret is named and answers, whether ENCRYPTION_MASTER_KEY is set: what encrypts, or a code
    ("local", None, True, FIRST_BYTES, []),
    ("local", None, False, "INVALID_SETTINGS", []),
    ("local", True, True, RING_KEY, ["env_key_not_on_ring"]),
    ("local", True, False, RING_KEY, []),
    ("local", False, True, FIRST_BYTES, ["aws_unavailable_using_env_fallback"]),
    ("local", False, False, "CANNOT_REACH_AWS", []),
    ("development", None, True, FIRST_BYTES, []),
    ("development", None, False, "INVALID_SETTINGS", []),
    ("development", True, True, RING_KEY, ["env_key_not_on_ring"]),
    ("development", False, True, FIRST_BYTES, ["aws_unavailable_using_env_fallback"]),
    ("staging", None, True, "INVALID_SETTINGS", []),
    ("staging", True, True, RING_KEY, ["env_key_not_on_ring"]),
    ("staging", True, False, RING_KEY, []),
    ("staging", False, True, FIRST_BYTES, ["aws_unavailable_using_env_fallback"]),
    ("staging", False, False, "CANNOT_REACH_AWS", []),
    ("production", None, True, "INVALID_SETTINGS", []),
    ("production", True, True, RING_KEY, ["env_key_set_in_production", "env_key_not_on_ring"]),
    ("production", True, False, RING_KEY, []),
    ("production", False, True, FIRST_BYTES, ["env_key_set_in_production", "aws_unavailable_using_env_fallback"]),
    ("production", False, False, "CANNOT_REACH_AWS", []),
]


@pytest.mark.parametrize(("environment", "answers", "has_key", "expected", "warnings"), TABLE)
def test_each_row_of_the_table_of_environments_for_a_ring(
    caplog: pytest.LogCaptureFixture,
    environment: str,
    answers: bool | None,
    has_key: bool,
    expected: bytes | str,
    warnings: list[str],
) -> None:
    env = {"ENVIRONMENT": environment}
    env |= {} if answers is None else NAMED
    env |= {"ENCRYPTION_MASTER_KEY": FIRST_KEY} if has_key else {}
    secret = secret_with(RING_KEY)
    secret.is_silent = answers is False
    if isinstance(expected, str):
        assert refusal(lambda: KeyRing.open(load_settings(env), client=secret)).code == expected
    else:
        with KeyRing.open(load_settings(env), client=secret) as ring:
            row = ring.encrypt_field("text", "a")
            assert row[0] == (1 if expected == RING_KEY else 0)
            assert decrypt_field(row, expected, "a", legacy=False) == "text"
            assert ring.decrypt_field(row, "a") == "text"
            assert ring.is_fallen_back == (answers is False)
            until(lambda: len(event_names(caplog)) >= len(warnings))
    assert event_names(caplog) == warnings
    assert bool(secret.calls) == (answers is not None)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_without_a_fallback_the_reason_is_the_error(service: LocalService, name: str, environment: str) -> None:
    env = {"ENVIRONMENT": environment} | AWS | {"SECRETS_MANAGER_KEY_NAME": name}
    assert refusal(lambda: load_settings(env).encryption_key).code == "SECRET_NOT_FOUND"
    service.create(name, None)
    assert refusal(lambda: load_settings(env).encryption_key).code == "NO_CURRENT_KEY"


def test_a_key_of_24_bytes_is_the_value_error_of_the_guide(service: LocalService, name: str) -> None:
    service.create(name, base64.b64encode(bytes(24)).decode())
    settings = load_settings({"ENVIRONMENT": "staging"} | AWS | {"SECRETS_MANAGER_KEY_NAME": name})
    message = "Encryption key from AWS Secrets Manager must be 32 bytes, got 24 bytes"
    with pytest.raises(ValueError, match=message):
        _ = settings.encryption_key


def test_an_environment_key_that_is_not_on_the_ring_is_warned_about(
    service: LocalService, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    service.create(name)
    service.rotate(name)
    env = {"ENVIRONMENT": "staging"} | AWS | {"SECRETS_MANAGER_KEY_NAME": name}
    _ = load_settings(env | {"ENCRYPTION_MASTER_KEY": FIRST_KEY}).encryption_key  # an older key of the ring
    assert event_names(caplog) == []
    other = base64.b64encode(os.urandom(32)).decode()
    _ = load_settings(env | {"ENCRYPTION_MASTER_KEY": other}).encryption_key
    assert event_names(caplog) == ["env_key_not_on_ring"]


@pytest.mark.parametrize("name", ["ENVIRONMENT", "AWS_REGION", "SECRETS_MANAGER_KEY_NAME", "ENCRYPTION_KEY_SOURCE"])
@pytest.mark.parametrize("pasted", [FIRST_KEY, FIRST_BYTES.hex()])
def test_a_key_that_was_pasted_into_a_variable_is_not_printed(name: str, pasted: str) -> None:
    env = {"ENVIRONMENT": "staging"} | AWS | {name: f'"{pasted}"'}
    message = str(refusal(lambda: load_settings(env)))
    assert "may be a key (not shown)" in message
    assert pasted not in message


@pytest.mark.parametrize("name", ["ENVIRONMENT", "AWS_REGION", "SECRETS_MANAGER_KEY_NAME"])
@pytest.mark.parametrize("value", ["", None])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    env = {"ENVIRONMENT": "production"} | AWS
    env.pop(name)
    if value is not None:
        env[name] = value
    error = refusal(lambda: load_settings(env))
    assert error.code == "INVALID_SETTINGS"
    assert str(error).startswith(name)


def test_production_without_aws_is_told_its_setting() -> None:
    message = str(refusal(lambda: load_settings({"ENVIRONMENT": "production", "ENCRYPTION_MASTER_KEY": FIRST_KEY})))
    assert message.endswith("set ENCRYPTION_KEY_SOURCE=environment.")


def test_another_environment_is_refused() -> None:
    error = refusal(lambda: load_settings({"ENVIRONMENT": "prod"} | AWS))
    assert str(error) == 'ENVIRONMENT must be one of local, development, staging, production, but is "prod".'


@pytest.mark.parametrize("value", ["your-fallback-key-here", FIRST_KEY[:-1], base64.b64encode(bytes(24)).decode()])
def test_a_key_of_the_environment_that_is_none_is_refused_at_once_and_not_shown(value: str) -> None:
    error = refusal(lambda: load_settings({"ENVIRONMENT": "staging", "ENCRYPTION_MASTER_KEY": value} | AWS))
    assert error.code == "INVALID_SETTINGS"
    assert value not in repr(error)
    assert error.__context__ is None


def test_many_threads_cause_one_call(service: LocalService, name: str) -> None:
    service.create(name)
    settings = load_settings({"ENVIRONMENT": "staging"} | AWS | {"SECRETS_MANAGER_KEY_NAME": name})
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(settings.encryption_key)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys == [FIRST_BYTES] * 20
    assert service.calls()["GetSecretValue"] == 1


@pytest.mark.parametrize("given", [os.environ, {}, "settings", 7])
def test_what_is_no_settings_is_refused_and_the_error_says_what_makes_them(given: object) -> None:
    error = refusal(lambda: KeyRing.open(given))  # type: ignore[arg-type]
    assert error.code == "INVALID_SETTINGS"
    assert "load_settings" in str(error)


def test_a_ring_is_not_opened_with_its_constructor() -> None:
    error = refusal(KeyRing)
    assert error.code == "INVALID_SETTINGS"
    assert "KeyRing.open()" in str(error)


@pytest.mark.parametrize("option", ["time_to_live", "max_key_age", "call_time_limit"])
def test_an_option_that_is_no_number_is_refused(option: str) -> None:
    settings = load_settings({"ENVIRONMENT": "local", "ENCRYPTION_MASTER_KEY": FIRST_KEY})
    error = refusal(lambda: KeyRing.open(settings, **{option: "5"}))  # type: ignore[arg-type]
    assert error.code == "INVALID_SETTINGS"
    assert str(error).startswith(option)


EXAMPLE_KEY = "rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY="


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_example_key_of_the_guide_does_not_encrypt_outside_local(environment: str) -> None:
    secret = secret_with(base64.b64decode(EXAMPLE_KEY))
    settings = load_settings({"ENVIRONMENT": environment, **AWS})
    error = refusal(lambda: KeyRing.open(settings, client=secret))
    assert error.code == "INVALID_KEY_VALUE"
    assert "is the example key of the setup guide" in str(error)
    with KeyRing.open(load_settings({"ENVIRONMENT": "local", **AWS}), client=secret) as ring:
        row = ring.encrypt_field("text")
    secret.rotate(bytes(32))
    with KeyRing.open(settings, client=secret) as ring:
        assert ring.decrypt_field(row) == "text"


def test_the_example_key_of_the_guide_is_no_current_key_of_the_two_functions(service: LocalService, name: str) -> None:
    service.create(name, EXAMPLE_KEY)
    settings = load_settings({"ENVIRONMENT": "staging"} | AWS | {"SECRETS_MANAGER_KEY_NAME": name})
    assert refusal(lambda: settings.encryption_key).code == "INVALID_KEY_VALUE"
