"""A WSGI application that opens its ring before the server forks: gunicorn wsgi_app:app --preload --workers 2.

A ring that was opened before the fork works in each worker: it takes new locks, connections and a new thread there.
Opening it in gunicorn's ``post_fork`` is the quieter way, because Python warns of forking a process with threads.
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from pazpaz_keys import shared_ring

shared_ring().warm()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    ring = shared_ring()
    if environ["PATH_INFO"] == "/encrypt":
        body = {"row": ring.encrypt_field("note", "patients:notes").hex(), "process": os.getpid()}
    elif environ["PATH_INFO"] == "/refresh":
        ring.refresh()
        body = {"process": os.getpid()}
    else:
        row = bytes.fromhex(environ["QUERY_STRING"])
        body = {"text": ring.decrypt_field(row, "patients:notes"), "process": os.getpid()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
