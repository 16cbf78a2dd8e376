"""The log of an application's ring, through ``logging``, under the name ``pazpaz_keys``."""

import json
import logging
from contextlib import suppress
from datetime import datetime, timezone
from typing import Literal

_LOGGER = logging.getLogger("pazpaz_keys")

Event = Literal[
    "encryption_key_fetched_from_aws",
    "aws_unavailable_using_env_fallback",
    "env_fallback_ended",
    "env_key_set_in_production",
    "env_key_not_on_ring",
    "key_ring_refresh_failed",
    "key_ring_refreshed_again",
    "ring_key_unreadable",
    "ring_key_forgotten",
    "ring_key_lost_label",
    "encryption_stopped",
    "key_usage",
    "key_exhausted",
]
"""Log queries match on these names, so they never change. The TypeScript ring logs these events, too."""

_MESSAGES: dict[Event, tuple[int, str]] = {
    "encryption_key_fetched_from_aws": (logging.INFO, "A key was read from AWS Secrets Manager"),
    "aws_unavailable_using_env_fallback": (
        logging.WARNING,
        "AWS Secrets Manager did not return a key, so ENCRYPTION_MASTER_KEY encrypts until it does. Data written "
        "now can be read only while that variable is set, unless its key is on the ring",
    ),
    "env_fallback_ended": (
        logging.INFO,
        "AWS Secrets Manager returned the current key, which encrypts from now on",
    ),
    "env_key_set_in_production": (
        logging.WARNING,
        "ENCRYPTION_MASTER_KEY is set in production, where it does not belong. Add its key to the ring (put "
        "--not-current) if it may have encrypted data, then unset the variable",
    ),
    "env_key_not_on_ring": (
        logging.WARNING,
        "ENCRYPTION_MASTER_KEY holds a key that is not on the ring. Data encrypted with it can be read only while "
        "the variable is set: add it with put --not-current, then unset it",
    ),
    "key_ring_refresh_failed": (
        logging.WARNING,
        "The ring could not be refreshed. It keeps using the cached keys and tries again",
    ),
    "key_ring_refreshed_again": (logging.INFO, "The ring is refreshed again after a failure"),
    "ring_key_unreadable": (
        logging.WARNING,
        "A key of the ring cannot be read, so rows under it cannot be decrypted now",
    ),
    "ring_key_forgotten": (
        logging.INFO,
        "A key was retired, so this process has forgotten it and can no longer decrypt rows under it",
    ),
    "ring_key_lost_label": (
        logging.WARNING,
        "A key has lost its labels without a retirement record. This process still reads with it, but AWS may "
        "delete its version: label it again with adopt --version-id",
    ),
    "encryption_stopped": (
        logging.ERROR,
        "AWS Secrets Manager has not confirmed the current key for too long, so encryption fails. Decryption "
        "still works",
    ),
    "key_usage": (
        logging.INFO,
        "How often this process has encrypted with a key. All processes together may do so 2^32 times",
    ),
    "key_exhausted": (
        logging.ERROR,
        "This process has encrypted 2^32 times with a key and stops, because no nonce may repeat: rotate the key",
    ),
}


def log_event(event: Event, fields: dict[str, str | int]) -> None:
    """Logs an event. Its name and fields are attributes of the record, and part of the message for plain formatters.

    Raises nothing: a broken handler must not cost a row or a refresh.
    """
    level, message = _MESSAGES[event]
    detail = " ".join(f"{name}={value}" for name, value in fields.items())
    with suppress(Exception):
        _LOGGER.log(level, "%s: %s (%s)", event, message, detail, extra={"event": event, "event_fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object per line: timestamp, level, event and its fields.

    Set it on the handler of the application's root logger. Records of other libraries keep their message.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, object] = {
            "timestamp": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "level": record.levelname,
        }
        event = getattr(record, "event", None)
        fields = getattr(record, "event_fields", None)
        if event in _MESSAGES and isinstance(fields, dict):
            line |= {"event": event, "message": _MESSAGES[event][1]} | fields
        else:
            line |= {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
