"""Keeps keys out of the log of an application that logs everything.

At level DEBUG botocore logs each raw answer of AWS, and an answer to GetSecretValue holds the key.
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
    """Within this block, answers of AWS to this thread are not logged. Other threads still log theirs."""
    # Each time, because code that sets up logging may have removed it. Adding it twice does nothing.
    logging.getLogger("botocore.parsers").addFilter(_FILTER)
    _this_thread.reads_a_secret = True
    try:
        yield
    finally:
        _this_thread.reads_a_secret = False
