"""What an encrypted column's cell holds, for the column types of every ORM."""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar, get_args

from cryptography.exceptions import InvalidTag

from .ciphertext import well_formed
from .errors import KeyRotationError
from .event_loops import (
    LARGEST_BASE64,
    LARGEST_ROW,
    refuse_large_row,
    refuse_long_json,
    refuse_long_text,
    runs_event_loop,
)
from .field import as_text
from .key_ring import KeyRing
from .process_ring import RingSource, place_of, ring_of
from .row_context import InRow, context_template, not_shown, row_of_cell
from .row_from_json import row_from_json
from .row_from_text import row_from_text

Storage = Literal["bytea", "text", "json", "jsonb"]
"""The type of the column in the database."""

SHOW_THE_ROW = "Write it in a statement that gives these columns of the row, too, as int, str or UUID."

V = TypeVar("V")


@dataclass(frozen=True)
class ValueKind(Generic[V]):
    """How a value in the program becomes a plaintext and comes back."""

    name: str
    to_plaintext: Callable[[Any], bytes]
    from_plaintext: Callable[[bytes], V]
    quickly: Callable[[bytes], V]
    """``from_plaintext`` with fewer calls. Any ``ValueError`` means: ask ``from_plaintext``."""


# Of a row whose number is one byte. Python before 3.12 would make a new slice for each row.
_NONCE, _REST = slice(1, 13), slice(13, None)

_NOT_SO_QUICK = (InvalidTag, KeyRotationError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


class EncryptedCell(Generic[V]):
    """Encrypts a value for one column, and decrypts its cells.

    A cell of a ``text`` column holds base64. A cell of a ``json`` or ``jsonb`` column holds a string with base64, or an
    object with that string as its ``member``. Older data is read in every form, whatever the column's type.
    """

    def __init__(
        self,
        kind: ValueKind[V],
        context: str,
        storage: Storage,
        member: str | None,
        source: RingSource,
        advice: str = SHOW_THE_ROW,
    ) -> None:
        """``advice``: what to do where a statement does not show the row that the context names."""
        if not isinstance(context, str) or not context:
            raise _invalid(f"An encrypted column needs a context, such as 'patients:notes', got {context!r}.")
        if storage not in get_args(Storage):
            raise _invalid(f"storage must be one of {', '.join(get_args(Storage))}, got {storage!r}.")
        if member is not None and storage not in ("json", "jsonb"):
            raise _invalid(f"member names a member of a JSON value, but the column is stored as {storage}.")
        self.kind = kind
        self.context = context
        self.template = context_template(context)
        self._fixed_context = "" if self.template.columns else self.template.of(())
        self._context_bytes = well_formed(self._fixed_context, "context")
        self._storage = storage
        self._member = member
        self._source = source
        self._advice = advice

    def writer(self, failed: Callable[[KeyRotationError, str], Exception]) -> Callable[[Any], Any]:
        """A function that encrypts a value or returns None for NULL. A value is an ``InRow`` if the context names the
        row.

        It raises what ``failed`` makes of an error and of the context: an error of ``KeyRing.encrypt_field``,
        ``INVALID_TEXT`` for a value of another type, or ``INVALID_COLUMN`` for a value without its row.
        """
        ring, to_plaintext, member = self._ring(), self.kind.to_plaintext, self._member
        fixed_context = None if self.template.columns else self._context_bytes
        is_bytea, source = self._storage == "bytea", self.context

        def write(value: Any) -> Any:
            if value is None:
                return None
            try:
                context = fixed_context
                if context is None:
                    context, value = self._of_row(value)
                row = ring()._sealed(to_plaintext(value), context)
                if is_bytea:
                    return row
                text = b2a_base64(row, newline=False).decode("ascii")
                return text if member is None else {member: text}
            except KeyRotationError as error:
                is_of_other_column = fixed_context is not None and isinstance(value, InRow)
                reason = _of_several_columns() if is_of_other_column else error
                value, failure = None, failed(reason, source)  # error reporters may show local variables
            raise failure

        return write

    def _of_row(self, value: Any) -> tuple[bytes, Any]:
        if isinstance(value, InRow):
            return well_formed(value.context, "context"), value.value
        raise not_shown(self.context, "the statement does not show", self.template.columns, self._advice)

    def _ring(self) -> Callable[[], KeyRing]:
        source = self._source
        return partial(ring_of, source) if isinstance(source, KeyRing) else source

    def decrypted(self, cell: Any, context: str) -> V | None:
        """The value of a cell; None for the ``null`` of JSON, which other programs write for no value.

        Raises what ``KeyRing.decrypt_bytes`` raises, and ``INVALID_TEXT`` if the content is of another type.
        """
        if cell == "null" and self._storage in ("json", "jsonb"):
            return None
        if self._storage != "bytea":
            refuse_long_text(cell)
        elif isinstance(cell, str):
            raise KeyRotationError(
                "INVALID_CIPHERTEXT",
                "The database returned a text, but the column's type stores bytea. Give the type storage='text' if the "
                "column is text; what was written without it is not base64 and must be written again.",
            )
        if self._storage == "text":
            cell = row_from_text(cell)
        elif self._storage != "bytea":
            cell = self._row_of_json(cell)
        return self.kind.from_plaintext(ring_of(self._source).decrypt_bytes(cell, context))

    def _row_of_member(self, cell: Any) -> bytes:
        """The row in a cell of today. Fails on any other cell, which may hold older data."""
        return _row_of_canonical_base64(cell[self._member])

    def _row_of_json(self, cell: object) -> bytes:
        refuse_long_json(cell)
        return row_from_json(cell, self._member)

    def reader(self, failed: Callable[[KeyRotationError, str], Exception]) -> Callable[..., V | None]:
        """A function that decrypts a cell or returns None for NULL. It raises what ``failed`` makes of an error and of
        the context, and ignores further arguments, which Django passes.

        A query reads thousands of cells, and nearly every one names a cached key. Such a cell is opened here with as
        few calls as possible; whatever is in the way, ``decrypted`` finds out what it is.
        """
        if self.template.columns:
            return self._reader_of_rows(failed)
        place: Any = place_of(self._source)
        decrypted, context = self.decrypted, self._fixed_context
        additional = [bytes([number]) + self._context_bytes for number in range(128)]  # of numbers that are one byte
        value_of = self.kind.quickly

        def read_bytea(cell: Any, _expression: object = None, _connection: object = None) -> V | None:
            if cell is None:
                return None
            try:
                if len(cell) > LARGEST_ROW:
                    return read_any(cell)
                number = cell[0]
                key = place.opened._keys.of_number[number]
                return value_of(key.aead.decrypt(cell[_NONCE], cell[_REST], additional[number]))
            except _NOT_SO_QUICK:
                pass
            return read_any(cell)

        to_row = _row_of_canonical_base64 if self._member is None else self._row_of_member

        def read_base64(cell: Any, _expression: object = None, _connection: object = None) -> V | None:
            if cell is None:
                return None
            try:
                row = to_row(cell)
                number = row[0]
                key = place.opened._keys.of_number[number]
                return value_of(key.aead.decrypt(row[_NONCE], row[_REST], additional[number]))
            except _NOT_SO_QUICK:
                pass
            return read_any(cell)

        def read_any(cell: Any) -> V | None:
            try:
                return decrypted(cell, context)
            except KeyRotationError as error:
                failure = failed(error, context)
            raise failure

        return read_bytea if self._storage == "bytea" else read_base64

    def _reader_of_rows(self, failed: Callable[[KeyRotationError, str], Exception]) -> Callable[..., V | None]:
        """``reader`` for cells that were selected together with their row."""
        template, storage, decrypted = self.template, self._storage, self.decrypted

        def read(found: Any, *_: object) -> V | None:
            if found is None:
                return None
            context = template.source
            try:
                refuse_large_row(found)
                found = bytes(found) if isinstance(found, memoryview) else found
                context, cell = row_of_cell(found, template)
                return decrypted(cell if storage == "bytea" else cell.decode("utf-8", "replace"), context)
            except KeyRotationError as error:
                failure = failed(error, context)
            raise failure

        return read


def _row_of_canonical_base64(cell: Any) -> bytes:
    if len(cell) > LARGEST_BASE64 and runs_event_loop():
        raise ValueError("too long")
    row = a2b_base64(cell)
    if b2a_base64(row, newline=False).decode("ascii") == cell:
        return row
    raise ValueError("not canonical")


def _text(value: object) -> bytes:
    if isinstance(value, str):
        return well_formed(value, "text")
    raise _wrong_type("str", value)


def _bytes(value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise _wrong_type("bytes", value)


def _json(value: object, encode: Callable[[object], str]) -> bytes:
    problem = ""
    try:
        return well_formed(encode(value), "text")
    except TypeError as error:
        problem = str(error)  # names a type, never a value
    except (ValueError, RecursionError) as error:
        problem = type(error).__name__
    del value
    raise KeyRotationError("INVALID_TEXT", f"The value cannot be written as JSON: {problem}.")


def _from_json(plaintext: bytes, decode: Callable[[str], Any]) -> Any:
    try:
        return decode(plaintext.decode("utf-8"))
    except (ValueError, RecursionError):
        pass  # that error holds the plaintext: ours is raised outside, so that it has no context
    del plaintext
    raise KeyRotationError(
        "INVALID_TEXT", "The field was decrypted, but is not JSON. Was it written by another type of column?"
    )


def json_with(encoder: type[json.JSONEncoder] | None, decoder: type[json.JSONDecoder] | None) -> ValueKind[Any]:
    """JSON, by an encoder and a decoder of the application's own or by those of Python."""

    def encode(value: object) -> str:
        return (encoder or json.JSONEncoder)(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(value)

    decode = _DECODER.decode if decoder is None else lambda text: decoder().decode(text)
    from_json = partial(_from_json, decode=decode)
    to_json = partial(_json, encode=_ENCODER.encode if encoder is None else encode)
    return ValueKind("JSON", to_json, from_json, from_json)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder()

TEXT: ValueKind[str] = ValueKind("text", _text, as_text, bytes.decode)
BYTES: ValueKind[bytes] = ValueKind("bytes", _bytes, bytes, bytes)
JSON: ValueKind[Any] = json_with(None, None)


def _wrong_type(expected: str, value: object) -> KeyRotationError:
    return KeyRotationError(
        "INVALID_TEXT", f"This encrypted column takes {expected} or None, got {type(value).__name__}."
    )


def _of_several_columns() -> KeyRotationError:
    return KeyRotationError(
        "INVALID_COLUMN",
        "One parameter is written to this column and to one whose context names the row. Give each column its own.",
    )


def _invalid(message: str) -> KeyRotationError:
    return KeyRotationError("INVALID_SETTINGS", message)
