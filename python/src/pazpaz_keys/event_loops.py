"""Whether a thread runs an event loop, which must not be blocked, and what would block it."""

import sys

from .errors import KeyRotationError

EASY_BYTES = 8192
"""A value of so many bytes never holds an event loop for long, whatever is in it and however many keys a ring has."""

LARGEST_BASE64 = 4 << 20
"""As many characters of base64 take about 10 ms to decode."""

LARGEST_ROW = 16 << 20
"""One attempt to open as many bytes, and a copy of them, take about 10 ms."""

LARGEST_PLAINTEXT = 8 << 20
"""To encrypt as many bytes and encode the row in base64 takes about 10 ms."""

_MAX_BYTES = 1 << 20
_MAX_BYTES_OF_ALL_ATTEMPTS = 4 << 20
_MAX_JSON_TOKENS = 5000


def runs_event_loop() -> bool:
    """Whether the calling thread is within a running asyncio event loop, including uvloop's."""
    asyncio = sys.modules.get("asyncio")  # importing asyncio would take longer than the rest of this module
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def refuse_long_attempts(data: bytes, keys: int) -> None:
    """Raises ``KEY_UNAVAILABLE`` if the calling thread runs an event loop and trying the keys may take 20 ms.

    The row is one that the key of its number does not open. Anyone who can write to the database can make such rows.
    """
    if len(data) > EASY_BYTES and runs_event_loop():
        too_long = len(data) * max(keys, 1) > _MAX_BYTES_OF_ALL_ATTEMPTS
        may_be_a_text = data[:1] in (b" ", b"\t", b"\r", b"\n", b"{", b"v")
        if too_long or (may_be_a_text and (len(data) > _MAX_BYTES or _json_tokens(data) > _MAX_JSON_TOKENS)):
            raise _read_it_in_a_thread(len(data))


def refuse_long_json(cell: object) -> None:
    """Raises ``KEY_UNAVAILABLE`` if the calling thread runs an event loop and parsing this text may take 20 ms."""
    if not isinstance(cell, str) or len(cell) <= EASY_BYTES or not runs_event_loop():
        return
    if len(cell) > 4 * _MAX_BYTES or _json_tokens(cell.encode("utf-8", "replace")) > _MAX_JSON_TOKENS:
        raise _read_it_in_a_thread(len(cell))


def refuse_large_row(data: object) -> None:
    """Raises ``KEY_UNAVAILABLE`` if the calling thread runs an event loop and one attempt may take 20 ms."""
    if isinstance(data, (bytes, bytearray, memoryview)) and len(data) > LARGEST_ROW and runs_event_loop():
        raise _read_it_in_a_thread(len(data))


def refuse_large_plaintext(value: object) -> None:
    """Raises ``INVALID_TEXT`` if the calling thread runs an event loop and encrypting this may take 20 ms."""
    if isinstance(value, (str, bytes, bytearray, memoryview)) and len(value) > LARGEST_PLAINTEXT and runs_event_loop():
        raise KeyRotationError(
            "INVALID_TEXT",
            f"Encrypting {len(value)} bytes or characters would block the event loop of this thread; at most "
            f"{LARGEST_PLAINTEXT} are encrypted there. Encrypt it with await asyncio.to_thread(ring.encrypt_field, …), "
            "or with a session in a thread.",
        )


def refuse_long_text(cell: object) -> None:
    """Raises ``KEY_UNAVAILABLE`` if the calling thread runs an event loop and finding the row in this text, or in a
    text of this object, may take 20 ms."""
    for text in cell.values() if isinstance(cell, dict) else (cell,):
        if isinstance(text, str) and len(text) > EASY_BYTES and len(text) > _easy_length(text) and runs_event_loop():
            raise _read_it_in_a_thread(len(text))


def _easy_length(text: str) -> int:
    if not text.isascii():
        return 8 * EASY_BYTES  # it may have halves of surrogate pairs, which take longest
    return _MAX_BYTES if "\n" in text or "\\" in text else 2 * _MAX_BYTES


def _json_tokens(data: bytes) -> int:
    """At least as many as a JSON text of these bytes has."""
    return 2 * sum(map(data.count, (b"{", b"[", b",", b":")))


def _read_it_in_a_thread(size: int) -> KeyRotationError:
    return KeyRotationError(
        "KEY_UNAVAILABLE",
        f"Decryption failed: a row of {size} bytes may be forged or be older data, and trying it in every way would "
        "block the event loop of this thread. Read it with await asyncio.to_thread(ring.decrypt_field, …), or with a "
        "session in a thread. pazpaz-keys reencrypt turns older data into rows that one attempt opens.",
    )
