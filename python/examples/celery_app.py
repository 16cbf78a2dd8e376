"""Tasks of Celery that encrypt: celery -A celery_app worker.

Celery forks its workers. Each opens its ring when it starts, and closes it when it ends.
"""

import os

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from pazpaz_keys import shared_ring

app = Celery("celery_app", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])


@worker_process_init.connect
def _open(**_: object) -> None:
    shared_ring().warm()


@worker_process_shutdown.connect
def _close(**_: object) -> None:
    shared_ring().close()


@app.task
def encrypt(text: str) -> str:
    return shared_ring().encrypt_field(text, "patients:notes").hex()


@app.task
def decrypt(row: str) -> str:
    return shared_ring().decrypt_field(bytes.fromhex(row), "patients:notes")
