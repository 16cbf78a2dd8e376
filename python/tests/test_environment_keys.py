"""Several keys in the environment: a ring without AWS, and keys that only decrypt beside AWS."""

import base64
import logging

import pytest

from local_service import LocalService
from older_data import old_box
from pazpaz_keys import KeyRing, KeyRotationError, decrypt_field, encrypt_field, load_settings
from ring_words import SENTENCE, code_of, events, until
from ring_world import KEYS
from secret_in_memory import SecretInMemory, secret_with

AWS = {"ENVIRONMENT": "production", "AWS_REGION": "us-east-1", "SECRETS_MANAGER_KEY_NAME": "name"}
ALONE = {"ENVIRONMENT": "production", "ENCRYPTION_KEY_SOURCE": "environment"}


def variables(**keys: bytes) -> dict[str, str]:
    return {
        f"ENCRYPTION_MASTER_KEY{number.replace('plain', '').upper()}": base64.b64encode(key).decode()
        for number, key in keys.items()
    }


def alone(**keys: bytes) -> KeyRing:
    return KeyRing.open(load_settings(ALONE | variables(**keys)))


def beside(secret: SecretInMemory, fallback: str = "", **keys: bytes) -> KeyRing:
    env = AWS | variables(**keys) | {"ENCRYPTION_FALLBACK": fallback}
    return KeyRing.open(load_settings(env), client=secret)


def test_without_aws_the_key_of_the_highest_number_encrypts_and_every_key_decrypts() -> None:
    with alone(plain=KEYS[0]) as before:
        rows = [before.encrypt_field(SENTENCE, "a")]
    with alone(plain=KEYS[0], _v2=KEYS[1]) as ring:
        rows.append(ring.encrypt_field(SENTENCE, "a"))
        assert ring.health().as_dict()["current_number"] == 2
        assert [(key.number, key.is_current) for key in ring.health().keys] == [(0, False), (2, True)]
        assert ring.usage()[0].key_number == 2
    with alone(plain=KEYS[0], _v2=KEYS[1], _v10=KEYS[2]) as ring:
        rows.append(ring.encrypt_field(SENTENCE, "a"))
        assert [row[0] for row in rows] == [0, 2, 10]
        assert [ring.decrypt_field(row, "a") for row in rows] == [SENTENCE] * 3
        assert [ring.decrypt_field(old_box(key, SENTENCE, bytes(12))) for key in KEYS[:3]] == [SENTENCE] * 3
    with alone(_v2=KEYS[1]) as back:  # going back is removing the variable
        assert back.decrypt_field(rows[1], "a") == SENTENCE
        assert code_of(back.decrypt_field, rows[2], "a") == "KEY_NEVER_ISSUED"


def test_without_aws_a_row_whose_variable_is_gone_is_retired() -> None:
    with alone(_v2=KEYS[1]) as ring:
        row = ring.encrypt_field(SENTENCE)
    with alone(_v10=KEYS[2]) as ring, pytest.raises(KeyRotationError, match="ENCRYPTION_MASTER_KEY_V2") as error:
        ring.decrypt_field(row)
    assert error.value.code == "KEY_RETIRED"


def test_without_aws_nothing_calls_it_and_settings_give_the_key_of_the_highest_number() -> None:
    settings = load_settings(ALONE | variables(plain=KEYS[0], _v2=KEYS[1]))
    assert settings.encryption_key == KEYS[1]
    with KeyRing.open(settings, client=SecretInMemory({"versions": [], "aws": "silent"})) as ring:
        ring.refresh()
        ring.warm()
        assert not ring.is_fallen_back
        assert code_of(ring.decrypt_field, bytes([2]) + bytes(40)) == "TAMPERED_OR_WRONG_CONTEXT"


def test_beside_aws_numbered_keys_only_decrypt_and_the_ring_comes_first() -> None:
    secret = secret_with(*KEYS[:2])
    rows = [encrypt_field(SENTENCE, key, "a", number=2) for key in (KEYS[1], KEYS[5])]
    with beside(secret, _v2=KEYS[5]) as ring:
        assert ring.encrypt_field(SENTENCE, "a")[0] == 2
        assert decrypt_field(ring.encrypt_field(SENTENCE, "a"), KEYS[1], "a") == SENTENCE
        assert [ring.decrypt_field(row, "a") for row in rows] == [SENTENCE] * 2
        assert [ring.decrypt_field_nowait(row, "a") for row in rows] == [SENTENCE] * 2
        assert ring.decrypt_field(encrypt_field(SENTENCE, KEYS[5], "a", number=7), "a") == SENTENCE
        assert [key.number for key in ring.health().keys if key.version_id is None] == [2]


def test_beside_aws_numbered_keys_are_no_fallback() -> None:
    secret = secret_with(KEYS[0])
    secret.is_silent = True
    with pytest.raises(KeyRotationError) as error:
        beside(secret, _v2=KEYS[1])
    assert error.value.code == "CANNOT_REACH_AWS"
    with beside(secret, plain=KEYS[5], _v2=KEYS[1]) as ring:
        assert ring.encrypt_field(SENTENCE)[0] == 0


def test_without_a_fallback_no_key_of_aws_is_no_ring_and_the_plain_key_only_decrypts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pazpaz_keys")
    secret = secret_with(KEYS[0])
    secret.is_silent = True
    with pytest.raises(KeyRotationError) as error:
        beside(secret, "off", plain=KEYS[5])
    assert error.value.code == "CANNOT_REACH_AWS"
    secret.is_silent = False
    with beside(secret, "off", plain=KEYS[5]) as ring:
        assert ring.encrypt_field(SENTENCE)[0] == 1
        assert ring.decrypt_field(encrypt_field(SENTENCE, KEYS[5])) == SENTENCE
        assert not events(caplog, "env_key_set_in_production")  # it cannot encrypt
        until(lambda: events(caplog, "env_key_not_on_ring"))


def test_without_a_fallback_the_settings_have_no_key_without_aws(service: LocalService, name: str) -> None:
    env = AWS | variables(plain=KEYS[0]) | {"ENCRYPTION_FALLBACK": "off", "SECRETS_MANAGER_KEY_NAME": name}
    settings = load_settings(env)
    with pytest.raises(KeyRotationError) as error:
        _ = settings.encryption_key
    assert error.value.code == "SECRET_NOT_FOUND"
    service.create(name)
    assert settings.encryption_key != KEYS[0]


def test_settings_print_no_key() -> None:
    settings = load_settings(ALONE | variables(plain=KEYS[0], _v2=KEYS[1]))
    assert KEYS[1].hex()[:8] not in repr(settings)
    assert base64.b64encode(KEYS[1]).decode()[:8] not in repr(settings)
