"""The one error of this package, with a stable code."""

from typing import Literal, TypeVar

ErrorCode = Literal[
    # The settings of an application, and the life of its ring
    "INVALID_SETTINGS",
    "KEY_TOO_OLD",
    "KEY_EXHAUSTED",
    "RING_CLOSED",
    # The secret
    "SECRET_NOT_FOUND",
    "SECRET_DELETED",
    # The keys
    "INVALID_KEY_VALUE",
    "NO_CURRENT_KEY",
    # Access to AWS
    "CANNOT_REACH_AWS",
    "AWS_REFUSED",
    # Ciphertext and plaintext
    "INVALID_TEXT",
    "INVALID_KEY_NUMBER",
    "INVALID_CIPHERTEXT",
    "INVALID_COLUMN",
    # A decryption that failed: with a given key, and the four codes of a key ring
    "DECRYPTION_FAILED",
    "TAMPERED_OR_WRONG_CONTEXT",
    "KEY_RETIRED",
    "KEY_NEVER_ISSUED",
    "KEY_UNAVAILABLE",
]
"""A code never changes its meaning. Match on it, never on the message."""


class KeyRotationError(Exception):
    """The ``code`` says what was refused or failed. The message says what was found and what to do next.

    It never holds key material or plaintext, and has neither a cause nor a context, because the errors of the
    underlying libraries quote their input.
    """

    code: ErrorCode

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def without_traceback(self) -> "KeyRotationError":
        """A copy of the error without its traceback, which holds the frames of the calls and so their values."""
        return type(self)(self.code, str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {str(self)!r})"

    # Exception would call __init__ with only the message, so the error could not pass through a process pool.
    def __reduce__(self) -> tuple[type["KeyRotationError"], tuple[ErrorCode, str]]:
        return type(self), (self.code, str(self))


class InvalidKeyValueError(KeyRotationError, ValueError):
    """``INVALID_KEY_VALUE``, which is also a ``ValueError``, as the application has always raised it."""


class EncryptedColumnError(KeyRotationError):
    """A failure of an encrypted column of SQLAlchemy or Django.

    ``context`` names the column, or the row whose value could not be read.
    """

    context: str

    def __init__(self, code: ErrorCode, message: str, context: str = "") -> None:
        super().__init__(code, message)
        self.context = context

    def without_traceback(self) -> "EncryptedColumnError":
        return type(self)(self.code, str(self), self.context)

    def __reduce__(self) -> tuple[type["EncryptedColumnError"], tuple[ErrorCode, str, str]]:  # type: ignore[override]
        return type(self), (self.code, str(self), self.context)


E = TypeVar("E", bound=KeyRotationError)


def without_frames(error: E) -> E:
    """The error without the calls below the one that raises it again.

    Their local variables hold keys, secret values and plaintexts, which many error reporters show.
    """
    return error.with_traceback(None)
