"""Field encryption with a given key."""

from .ciphertext import ciphertext_bytes, open_legacy, open_numbered, plaintext_bytes, seal, well_formed
from .errors import KeyRotationError, without_frames
from .key_material import KeyMaterial
from .key_number import require_key_number
from .legacy_forms import legacy_boxes
from .varint import read_varint


def encrypt_field(text: str | bytes, key: KeyMaterial | bytes, context: str = "", *, number: int = 0) -> bytes:
    """Encrypts a text or bytes with a given key and binds the result to ``context`` (such as ``patients:7:notes``).

    ``number`` is the key's number on its ring; 0 means 'the writer did not know it'. The result is 29 to 33 bytes
    longer than the UTF-8, depending on the number. A key may encrypt at most 2^32 times.

    Raises ``INVALID_TEXT`` for a value that is neither text nor bytes and for a text or context that is not well-formed
    Unicode, ``INVALID_KEY_VALUE`` for a key that is not 32 bytes, ``INVALID_KEY_NUMBER``.
    """
    try:
        require_key_number(number)
        plaintext = plaintext_bytes(text)
        return seal(plaintext, _as_key_material(key), number, well_formed(context, "context"))
    except KeyRotationError as error:
        text = key = plaintext = b""  # error reporters may show local variables
        raise without_frames(error) from None


def decrypt_field(data: bytes, key: KeyMaterial | bytes, context: str = "", *, legacy: bool = True) -> str:
    """Decrypts a field to text; see ``decrypt_bytes``.

    Also raises ``INVALID_TEXT`` if the field opens but is not UTF-8. It then holds bytes, and ``decrypt_bytes`` reads
    it.
    """
    try:
        return as_text(_decrypt(data, key, context, legacy))
    except KeyRotationError as error:
        key = b""
        raise without_frames(error) from None


def decrypt_bytes(data: bytes, key: KeyMaterial | bytes, context: str = "", *, legacy: bool = True) -> bytes:
    """Decrypts a field with a given key: under the number that it names, then in every form of older data.

    For a row from a text column (``vN:…`` and JSON), pass the bytes of that text. The context of data written before
    this system is not checked; ``legacy=False`` refuses such data.

    Raises ``INVALID_CIPHERTEXT`` for a value that is not bytes or has fewer than 28, ``DECRYPTION_FAILED`` if no tag
    verifies, ``INVALID_TEXT`` for a context that is not well-formed Unicode, ``INVALID_KEY_VALUE`` for a key that is
    not 32 bytes.
    """
    try:
        return _decrypt(data, key, context, legacy)
    except KeyRotationError as error:
        key = b""
        raise without_frames(error) from None


def _decrypt(data: bytes, key: KeyMaterial | bytes, context: str, legacy: bool) -> bytes:
    data = ciphertext_bytes(data)
    context_bytes = well_formed(context, "context")
    material = _as_key_material(key)
    header = read_varint(data)
    plaintext = None if header is None else open_numbered(data, material, header[1], context_bytes)
    if plaintext is None and legacy:
        plaintext = open_legacy(legacy_boxes(data), material)
    if plaintext is not None:
        return plaintext
    raise KeyRotationError(
        "DECRYPTION_FAILED",
        f"Decryption failed: the row {describe_number(header[0] if header else None)}, and the given key does not "
        "open it in this context. Either the row was encrypted with another key (this process may hold one from before "
        "a rotation: restart it, or read through the key ring, which tries every key), or its bytes or its context "
        "were changed.",
    )


def as_text(plaintext: bytes) -> str:
    """The text of a field. Raises ``INVALID_TEXT`` for bytes that are not UTF-8."""
    try:
        return plaintext.decode("utf-8")
    except UnicodeDecodeError:
        pass  # that error holds the plaintext: ours is raised outside, so that it has no context
    del plaintext
    raise KeyRotationError(
        "INVALID_TEXT",
        "The field was decrypted, but its content is not valid UTF-8. Read it with decrypt_bytes.",
    )


def describe_number(number: int | None) -> str:
    if number is None:
        return "has no key number"
    if number == 0:
        return "has number 0 (its writer did not know the number of its key)"
    return f"has key number {number}"


def _as_key_material(key: KeyMaterial | bytes) -> KeyMaterial:
    return key if isinstance(key, KeyMaterial) else KeyMaterial(key)
