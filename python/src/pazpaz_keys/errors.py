"""The one error of this package, with a stable code."""

from typing import Literal, TypeVar

ErrorCode = Literal[
    # The settings of an application, and the life of its ring
    "INVALID_SETTINGS",
    "KEY_TOO_OLD",
    "RING_CLOSED",
    # The secret
    "SECRET_NOT_FOUND",
    "SECRET_DELETED",
    # The keys
    "INVALID_KEY_VALUE",
    "NO_CURRENT_KEY",
    # The way to AWS
    "CANNOT_REACH_AWS",
    "AWS_REFUSED",
    # Ciphertext and plaintext
    "INVALID_TEXT",
    "INVALID_KEY_NUMBER",
    "INVALID_CIPHERTEXT",
    # A decryption that failed: with a given key, and the four ways of a key ring
    "DECRYPTION_FAILED",
    "TAMPERED_OR_WRONG_CONTEXT",
    "KEY_RETIRED",
    "KEY_NEVER_ISSUED",
    "KEY_UNAVAILABLE",
]
"""A code never changes its meaning. Match on it, never on the message."""


class KeyRotationError(Exception):
    """Says by its ``code`` what was refused or failed, and in its message what was found and what to do next.

    Never holds key material or plaintext, and has neither a cause nor a context: those of the libraries beneath quote
    what they were given.
    """

    code: ErrorCode

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def anew(self) -> "KeyRotationError":
        """The same error without its traceback, which holds the frames of the calls and so all that they have."""
        return type(self)(self.code, str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {str(self)!r})"

    # Exception would call __init__ with the message alone, and a process pool could not hand the error on.
    def __reduce__(self) -> tuple[type["KeyRotationError"], tuple[ErrorCode, str]]:
        return type(self), (self.code, str(self))


class InvalidKeyValueError(KeyRotationError, ValueError):
    """``INVALID_KEY_VALUE``, which is a ``ValueError`` besides, as the application has always raised it."""


E = TypeVar("E", bound=KeyRotationError)


def without_frames(error: E) -> E:
    """The error without the calls beneath the one that raises it again.

    Their local variables hold keys, values of secrets and plaintexts, and many reporters of errors show those.
    """
    return error.with_traceback(None)
