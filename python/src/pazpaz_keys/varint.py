"""Unsigned LEB128 numbers, in their shortest form only."""

from .key_number import MAX_KEY_NUMBER

_MAX_VARINT_BYTES = 5  # for MAX_KEY_NUMBER: 30 bits, seven to a byte
_ONE_BYTE_NUMBERS = tuple(bytes((number,)) for number in range(0x80))


def write_varint(number: int) -> bytes:
    """The number in as few bytes as possible: 1 up to 127, 2 up to 16,383, 3, 4, and 5 from 2^28 on."""
    if number < 0x80:
        return _ONE_BYTE_NUMBERS[number]
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def read_varint(data: bytes) -> tuple[int, int] | None:
    """The number at the start of ``data`` and its length in bytes.

    None if ``write_varint`` would not write this: not minimal (81 00), without an end, or above ``MAX_KEY_NUMBER``. So
    a row has exactly one possible header.
    """
    if data and data[0] < 0x80:  # nearly every row
        return data[0], 1
    value = 0
    for index, byte in enumerate(data[:_MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            is_minimal = byte != 0
            return (value, index + 1) if is_minimal and value <= MAX_KEY_NUMBER else None
    return None
