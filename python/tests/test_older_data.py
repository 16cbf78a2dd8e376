"""Data from before this system, with its key given."""

import os

from older_data import old_rows
from pazpaz_keys import decrypt_field


def test_older_data_is_read_with_its_key_in_hand() -> None:
    key = os.urandom(32)
    for row, text in old_rows(key):
        assert decrypt_field(row, key, "patients:7:note") == text
