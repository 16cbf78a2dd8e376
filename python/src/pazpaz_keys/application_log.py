"""The log of an application's ring: by ``logging``, under the name ``pazpaz_keys``."""

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
]
"""Log queries match on these names, so a name never changes; the TypeScript ring logs the same."""

_MESSAGES: dict[Event, tuple[int, str]] = {
    "encryption_key_fetched_from_aws": (logging.INFO, "A key was read from AWS Secrets Manager"),
    "aws_unavailable_using_env_fallback": (
        logging.WARNING,
        "AWS Secrets Manager gave no key, so ENCRYPTION_MASTER_KEY encrypts until it does. What is written now can be "
        "read only while that variable is set, unless its key is on the ring",
    ),
    "env_fallback_ended": (
        logging.INFO,
        "AWS Secrets Manager gave the current key, which encrypts from now on",
    ),
    "env_key_set_in_production": (
        logging.WARNING,
        "ENCRYPTION_MASTER_KEY is set in production. It belongs in no production environment: take it out, after what "
        "it may have written is on the ring (put --not-current)",
    ),
    "env_key_not_on_ring": (
        logging.WARNING,
        "ENCRYPTION_MASTER_KEY holds a key that is not on the ring. What it encrypted can be read only while the "
        "variable is set: add it with put --not-current, then unset it",
    ),
    "key_ring_refresh_failed": (
        logging.WARNING,
        "The ring could not be refreshed and goes on with what it has; it keeps asking",
    ),
    "key_ring_refreshed_again": (logging.INFO, "The ring could be refreshed again"),
    "ring_key_unreadable": (
        logging.WARNING,
        "A key of the ring cannot be read; rows under it cannot be decrypted now",
    ),
    "ring_key_forgotten": (
        logging.INFO,
        "A key was retired, so this process has forgotten it: rows under it cannot be decrypted any more",
    ),
    "ring_key_lost_label": (
        logging.WARNING,
        "A key has lost its labels without a record of its retirement. This process still reads with it, but AWS may "
        "delete its version: label it again with adopt --version-id",
    ),
    "encryption_stopped": (
        logging.ERROR,
        "AWS Secrets Manager has not confirmed the current key for too long; encrypting fails, decrypting goes on",
    ),
}


def log_event(event: Event, fields: dict[str, str | int]) -> None:
    """Logs an event; its name and fields are attributes of the record, and in the message for plain formatters.

    Raises nothing: no row may be lost, and no refresh left out, for a handler that is broken.
    """
    level, message = _MESSAGES[event]
    detail = " ".join(f"{name}={value}" for name, value in fields.items())
    with suppress(Exception):
        _LOGGER.log(level, "%s: %s (%s)", event, message, detail, extra={"event": event, "event_fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the fields that the guide's log queries expect: timestamp, level, event and more.

    Give it to the handler of the application's root logger; records of other libraries keep their message.
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
