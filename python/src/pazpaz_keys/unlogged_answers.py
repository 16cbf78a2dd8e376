"""Keeps keys out of the log of an application that logs everything.

At level DEBUG botocore logs each answer of AWS as it came, and an answer to GetSecretValue holds the key.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_this_thread = threading.local()


class _WithoutAnswers(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        return not getattr(_this_thread, "reads_a_secret", False)


_FILTER = _WithoutAnswers()


@contextmanager
def answers_unlogged() -> Iterator[None]:
    """While it lasts, what this thread gets from AWS is not logged; other threads of the application are."""
    # Each time, since whoever sets up logging may have taken it away; adding it again does nothing.
    logging.getLogger("botocore.parsers").addFilter(_FILTER)
    _this_thread.reads_a_secret = True
    try:
        yield
    finally:
        _this_thread.reads_a_secret = False
