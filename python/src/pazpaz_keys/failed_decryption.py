"""Why a decryption failed."""

from collections.abc import Mapping

from .errors import InvalidKeyValueError, KeyRotationError
from .field import describe_number
from .ring_labels import RingLabels

_OTHER_LAYOUT = (
    " Rows in another layout (iv ‖ tag ‖ ciphertext, hexadecimal, base64url) are not read: "
    "docs/from-create-cipheriv.md shows how to carry them over."
)
"""Many applications store these, and their first bytes look like a number or like none."""


def failed_decryption(
    number: int | None,
    labels: RingLabels | None,
    unread: Mapping[str, KeyRotationError],
    stale: KeyRotationError | None,
    may_be_issued: bool,
) -> KeyRotationError:
    """``TAMPERED_OR_WRONG_CONTEXT``, ``KEY_RETIRED``, ``KEY_NEVER_ISSUED`` or ``KEY_UNAVAILABLE`` (worth retrying).

    Or ``INVALID_KEY_VALUE`` if the value of the row's key is not a key. While one possible key was not tried, the
    answer is always ``KEY_UNAVAILABLE``.

    ``labels`` is None before AWS has described the secret. ``unread`` says by VersionId why keys were not tried, and
    ``stale`` why the ring could not be read now. ``may_be_issued``: the number is the next one, and a rotation may have
    given it after the last description.
    """
    row = f"Decryption failed: the row {describe_number(number)}"
    if labels is None:
        return _unavailable(row, stale)
    version_id = labels.version_of.get(number) if number else None
    own = unread.get(version_id) if version_id else None
    if own is not None and own.code == "INVALID_KEY_VALUE":
        return InvalidKeyValueError("INVALID_KEY_VALUE", f"{row}. {own}")
    if own is not None:
        return _unavailable(row, own)
    other = next((error for error in unread.values() if error.code != "INVALID_KEY_VALUE"), None)
    if other is not None:
        return _unavailable(f"{row}, no cached key opens it, and one key was not tried", other)
    if version_id is not None:
        return _tampered(f"{row}, and neither that key nor any other key of the ring opens it.")
    if stale is not None:
        return _unavailable(row, stale)
    if not number:
        return _tampered(f"{row}, and no key of the ring opens it.")
    if number < labels.highest_number:
        return KeyRotationError(
            "KEY_RETIRED",
            f"{row}, which is no longer on the ring. Either the key was retired (restore brings it back while AWS "
            "still has the version), or its label was lost (status says how to bring the key back), or the row is "
            f"older data under a retired key that only looks numbered, or its bytes were changed.{_OTHER_LAYOUT}",
        )
    if labels.is_replica or may_be_issued:
        what = "this replica of the secret" if labels.is_replica else "AWS's description of the secret"
        return _unavailable(f"{row}, which {what} does not show yet (highest: {labels.highest_number})", None)
    return never_issued(number, f"but the highest number on the ring is {labels.highest_number}")


def failed_with_environment_keys(number: int | None, highest: int) -> KeyRotationError:
    """The error of a process that has only the environment's keys and no ring. ``highest``: the highest number."""
    if number and number > highest:
        what = (
            f"the highest number of its keys is {highest}" if highest else "this process has only ENCRYPTION_MASTER_KEY"
        )
        return never_issued(number, f"but {what} and no key ring")
    if number and number < highest:
        return KeyRotationError(
            "KEY_RETIRED",
            f"Decryption failed: the row {describe_number(number)}, which no variable of the environment has. Set "
            f"ENCRYPTION_MASTER_KEY_V{number} to the key, if you still have it. Or the row is older data that only "
            f"looks numbered, or its bytes were changed.{_OTHER_LAYOUT}",
        )
    row = f"Decryption failed: the row {describe_number(number)}"
    return _tampered(f"{row}, and no key of the environment opens it.", _OF_ENVIRONMENT)


def never_issued(number: int, but: str) -> KeyRotationError:
    return KeyRotationError(
        "KEY_NEVER_ISSUED",
        f"Decryption failed: the row {describe_number(number)}, {but}. Either the row comes from another ring "
        "(another environment?), or it is older data under a retired key that only looks numbered, or its bytes "
        f"were changed.{_OTHER_LAYOUT}",
    )


_OF_RING = (
    "a key that is not on the ring: the key of ENCRYPTION_MASTER_KEY, which put --not-current adds, or a retired key."
)
_OF_ENVIRONMENT = "another key: set the variable that held it (ENCRYPTION_MASTER_KEY, ENCRYPTION_MASTER_KEY_V2, …)."


def _tampered(what: str, other_key: str = _OF_RING) -> KeyRotationError:
    return KeyRotationError(
        "TAMPERED_OR_WRONG_CONTEXT",
        f"{what} Its bytes or its context were changed (a row that was moved or restored to another place, a "
        f"renamed table), or it was encrypted with {other_key}{_OTHER_LAYOUT}",
    )


def _unavailable(what: str, why: KeyRotationError | None) -> KeyRotationError:
    reason = "" if why is None else f" {why}"
    return KeyRotationError("KEY_UNAVAILABLE", f"{what}. It cannot be decrypted now; try again later.{reason}")
