"""Each language reads what the other has just written."""

import json
import os
import random
import subprocess
from pathlib import Path

from pazpaz_keys import decrypt_field, encrypt_field

NUMBERS = [0, 1, 5, 127, 128, 255, 256, 16383, 16384, 268435456, 999_999_999]


def test_typescript_reads_what_python_wrote_and_python_what_typescript_wrote(build: Path) -> None:
    key = os.urandom(32)
    chance = random.Random()
    fields = [(chance.choice(NUMBERS), random_text(chance), random_text(chance)) for _ in range(200)]
    sent = {
        "key": key.hex(),
        "rows": [
            {"row": encrypt_field(text, key, context, number=number).hex(), "context": context}
            for number, text, context in fields
        ],
        "texts": [{"text": text, "context": context, "number": number} for number, text, context in fields],
    }
    answer = subprocess.run(
        ["node", str(build / "exchange.cjs")], input=json.dumps(sent), capture_output=True, text=True, check=True
    )
    received = json.loads(answer.stdout)
    assert received["texts"] == [text for _, text, _ in fields]
    for (number, text, context), row in zip(fields, received["rows"], strict=True):
        written = bytes.fromhex(row)
        assert decrypt_field(written, key, context) == text
        assert len(written) == len(encrypt_field(text, key, context, number=number))


def random_text(chance: random.Random) -> str:
    letters = "abc \t\n\0ÄßéΩ寿司\ufeff\u2028😀🏳️‍🌈"
    return "".join(chance.choice(letters) for _ in range(chance.randrange(40)))
