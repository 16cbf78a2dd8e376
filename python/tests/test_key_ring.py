"""The ring against the local Secrets Manager, over boto3 and HTTP."""

import base64
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clocks import MovedClock
from conftest import OpenRing
from local_service import FIRST_KEY, LocalService
from older_data import old_rows
from pazpaz_keys import KeyRotationError, encrypt_field
from ring_words import SENTENCE, code_of, ring_of_three, until

# The life of a secret


def test_a_ring_reads_what_was_written_before_and_after_rotations(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    rows = [ring.encrypt_field(SENTENCE)]
    assert rows[0][0] == 0  # never rotated: it has no number
    for _ in range(3):
        service.rotate(name)
        ring.refresh()
        rows.append(ring.encrypt_field(SENTENCE, "patients:7:note"))
    assert [row[0] for row in rows] == [0, 2, 3, 4]
    fresh = open_ring(name)
    for reader in (ring, fresh):
        assert reader.decrypt_field(rows[0]) == SENTENCE
        assert [reader.decrypt_field(row, "patients:7:note") for row in rows[1:]] == [SENTENCE] * 3
    assert [usage.key_number for usage in ring.usage()] == [0, 2, 3, 4]
    assert {usage.encryptions for usage in ring.usage()} == {1}


def test_a_number_that_a_key_gets_later_is_used_from_the_next_refresh_on(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    service.label(name, "key-v1", service.version_of(name, "AWSCURRENT"))
    service.forget_calls()
    ring.refresh()
    assert ring.encrypt_field(SENTENCE)[0] == 1
    assert service.calls() == {"DescribeSecret": 1}


def test_after_the_time_to_live_new_rows_carry_the_new_number(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name, time_to_live=1.0)
    encrypt = ring.encrypt_field  # bound before the rotation, as some applications do
    service.rotate(name)
    until(lambda: encrypt(SENTENCE)[0] == 2, 5)


def test_steady_load_costs_one_description_per_time_to_live_and_no_value(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    started = time.monotonic()
    ring = open_ring(name, time_to_live=1.0)
    service.forget_calls()
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        assert ring.decrypt_field(ring.encrypt_field(SENTENCE, "a"), "a") == SENTENCE
    calls = service.calls()
    assert calls.keys() == {"DescribeSecret"}
    # The first came with the opening; a refresh comes a tenth of the time to live early at most.
    assert 2 <= calls["DescribeSecret"] <= (time.monotonic() - started) / 0.9


def test_a_secret_without_a_current_key_says_so_and_can_be_opened_after_its_first_rotation(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name, None)
    assert code_of(open_ring, name) == "NO_CURRENT_KEY"
    service.rotate(name)
    assert open_ring(name).encrypt_field(SENTENCE)[0] == 1


def test_a_secret_that_is_missing_or_deleted_has_its_own_code(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    assert code_of(open_ring, name) == "SECRET_NOT_FOUND"
    service.create(name)
    service.client.delete_secret(SecretId=name)
    assert code_of(open_ring, name) == "SECRET_DELETED"


# Rows of other keys


def test_500_decryptions_at_once_of_a_number_not_at_hand_cost_one_call(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    keys = ring_of_three(service, name)
    ring = open_ring(name)
    rows = [encrypt_field(SENTENCE, keys[0], f"row {index}", number=1) for index in range(500)]
    service.forget_calls()
    together = threading.Barrier(500)

    def decrypt(index: int) -> str:
        together.wait()
        return ring.decrypt_field(rows[index], f"row {index}")

    with ThreadPoolExecutor(500) as pool:
        assert set(pool.map(decrypt, range(500))) == {SENTENCE}
    assert service.calls() == {"GetSecretValue": 1}


def test_a_number_that_a_rotation_has_just_made_is_read_with_one_more_lookup(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    reader = open_ring(name)
    service.rotate(name)
    row = open_ring(name).encrypt_field(SENTENCE)
    service.forget_calls()
    assert reader.decrypt_field(row) == SENTENCE
    assert service.calls() == {"DescribeSecret": 1, "GetSecretValue": 1}


def test_the_four_failures_have_four_codes_and_none_gives_data(
    service: LocalService, name: str, open_ring: OpenRing, clock: MovedClock
) -> None:
    keys = ring_of_three(service, name)
    service.label(name, "key-v1", None)
    ring = open_ring(name, clock=clock)
    tampered = bytearray(ring.encrypt_field(SENTENCE))
    tampered[-1] ^= 1
    rows = [
        ("TAMPERED_OR_WRONG_CONTEXT", bytes(tampered), ""),
        ("TAMPERED_OR_WRONG_CONTEXT", ring.encrypt_field(SENTENCE, "a"), "b"),
        ("KEY_RETIRED", encrypt_field(SENTENCE, keys[0], number=1), ""),
        ("KEY_NEVER_ISSUED", encrypt_field(SENTENCE, os.urandom(32), number=99), ""),
    ]
    for code, row, context in rows:
        clock.ahead += 6  # or an unknown number would wait for its turn to be looked up
        assert code_of(ring.decrypt_field, row, context) == code
        assert code_of(ring.decrypt_bytes, row, context) == code
    reader = open_ring(name, clock=clock)
    service.fault(kind="error", type="InternalServiceError")
    assert code_of(reader.decrypt_field, encrypt_field(SENTENCE, keys[1], number=2)) == "KEY_UNAVAILABLE"
    service.heal()
    clock.ahead += 6  # a failure is answered from memory for five seconds
    assert reader.decrypt_field(encrypt_field(SENTENCE, keys[1], number=2)) == SENTENCE


def test_a_row_with_its_tag_in_front_is_refused_with_words_about_layouts(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    key = ring_of_three(service, name)[2]
    ring = open_ring(name)
    for first in (3, 9, 0x80):
        nonce = bytes([first]) * 12
        box = AESGCM(key).encrypt(nonce, SENTENCE.encode(), None)
        with pytest.raises(KeyRotationError, match="iv ‖ tag ‖ ciphertext"):
            ring.decrypt_field(nonce + box[-16:] + box[:-16])


def test_forged_numbers_cannot_cause_more_than_a_bounded_rate_of_calls(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    ring_of_three(service, name)
    ring = open_ring(name)
    service.forget_calls()
    forged = [encrypt_field(SENTENCE, os.urandom(32), number=1000 + index) for index in range(300)]
    with ThreadPoolExecutor(100) as pool:
        started = time.monotonic()
        codes = set(pool.map(lambda row: code_of(ring.decrypt_field, row), forged))
        seconds = time.monotonic() - started
    assert codes == {"KEY_NEVER_ISSUED"}
    calls = service.calls()
    assert calls["DescribeSecret"] <= 2 + seconds / 3
    assert calls["GetSecretValue"] == 2  # each key of the ring once


def test_a_key_that_cannot_be_decoded_is_named_and_the_others_still_read(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    version = service.version_of(name, "AWSCURRENT")
    service.label(name, "key-v1", version)
    service.put(name, base64.b64encode(bytes(24)).decode(), "key-v2")
    key = os.urandom(32)
    service.put(name, key, "key-v3", "AWSCURRENT")
    ring = open_ring(name)
    assert ring.decrypt_field(encrypt_field(SENTENCE, base64.b64decode(FIRST_KEY), number=1)) == SENTENCE
    assert ring.decrypt_field(ring.encrypt_field(SENTENCE)) == SENTENCE
    with pytest.raises(KeyRotationError, match=r"Key 2 \(version .*must be 32 bytes, got 24 bytes") as error:
        ring.decrypt_field(encrypt_field(SENTENCE, os.urandom(32), number=2))
    assert error.value.code == "INVALID_KEY_VALUE"


def test_a_row_whose_number_lost_its_label_is_read_by_a_key_at_hand(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    keys = ring_of_three(service, name)
    service.label(name, "key-v2", None)  # it is AWSPREVIOUS: its key is still read
    assert open_ring(name).decrypt_field(encrypt_field(SENTENCE, keys[1], number=2)) == SENTENCE


def test_older_data_in_every_form_under_every_key_is_read_with_a_bounded_number_of_calls(
    service: LocalService, name: str, open_ring: OpenRing, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ring_of_three(service, name)
    rows = [row for key in keys for row in old_rows(key)]
    assert len(rows) > 1000
    ring = open_ring(name)
    service.forget_calls()
    caplog.set_level(logging.DEBUG, "pazpaz_keys")
    for row, text in rows:
        assert ring.decrypt_field(row, "patients:7:note") == text
    calls = service.calls()
    assert calls["GetSecretValue"] == 2
    assert calls.get("DescribeSecret", 0) <= 2
    assert len(caplog.records) <= 2  # one for each fetched key, none for a row


def test_older_data_is_refused_where_the_ring_is_told_so(service: LocalService, name: str, open_ring: OpenRing) -> None:
    keys = ring_of_three(service, name)
    ring = open_ring(name, legacy=False)
    row, _ = next(iter(old_rows(keys[2])))
    assert code_of(ring.decrypt_field, row) in {"TAMPERED_OR_WRONG_CONTEXT", "KEY_NEVER_ISSUED"}


def test_decrypting_many_gives_each_its_text_or_its_error(
    service: LocalService, name: str, open_ring: OpenRing
) -> None:
    service.create(name)
    ring = open_ring(name)
    good = ring.encrypt_field(SENTENCE, "a")
    first, second, third = ring.decrypt_fields([(good, "a"), (good, "b"), (good, "a")])
    assert (first, third) == (SENTENCE, SENTENCE)
    assert isinstance(second, KeyRotationError)
    assert second.code == "TAMPERED_OR_WRONG_CONTEXT"
