"""Inputs as no one would write them down: rows, texts, values of secrets, environments, rings; from a random seed."""

import base64
import hashlib
import json
from collections.abc import Callable
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from older_data import FORMS
from pazpaz_keys.varint import write_varint

KEYS = {name: hashlib.sha256(name.encode()).digest() for name in "abcde"}

NUMBERS = [0, 1, 2, 3, 5, 6, 127, 128, 255, 256, 16383, 16384, 268435456, 999_999_999]
LETTERS = 'ab09 \t\n\r\0"\\{}[]:,/+=-_ÄßéΩ寿司\u00a0\u0085\u2028\ufeff\ufffd\u200f😀🏳️‍🌈\x7f\x1f\ud83d\ude00\ud800'

ARNS = [
    "arn:aws:x",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf",
    "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x",
    "arn:aws:secretsmanager:us-east-1:12345:secret:x",
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:",
]


class StrangeInputs:
    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def one(self, *choices: Callable[[], Any]) -> Any:
        return self.chance.choice(choices)()

    def some_bytes(self, most: int) -> bytes:
        return self.chance.randbytes(self.chance.randrange(most + 1))

    def letters(self, most: int = 20) -> str:
        return "".join(self.chance.choice(LETTERS) for _ in range(self.chance.randrange(most)))

    # Rows

    def row(self) -> dict[str, Any]:
        key, context = self.chance.choice("abc"), self.letters()
        number = self.chance.choice(NUMBERS)
        row = self.one(
            lambda: self.sealed(key, number, context),
            lambda: self.changed(self.sealed(key, number, context)),
            lambda: self.older(key),
            lambda: self.changed(self.older(key)),
            lambda: self.some_bytes(90),
        )
        return {
            "row": row.hex(),
            "key": self.one(lambda: key, lambda: key, lambda: self.chance.choice("abc")),
            "context": self.one(lambda: context, lambda: context, lambda: self.changed_text(context), self.letters),
            "legacy": self.chance.random() < 0.8,
        }

    def sealed(self, key: str, number: int, context: str) -> bytes:
        header, nonce = write_varint(number), self.chance.randbytes(12)
        plaintext = self.one(
            lambda: self.letters().encode("utf-8", "replace"), lambda: self.some_bytes(20), lambda: b""
        )
        additional = header + context.encode("utf-8", "replace")
        return header + nonce + AESGCM(KEYS[key]).encrypt(nonce, plaintext, additional)

    def older(self, key: str) -> bytes:
        start = self.chance.choice([b"", b"v1:", b"v23:", b"{", b' {"', b"\x01", b"\x80\x01", b"\0"])
        nonce = (start + self.chance.randbytes(12))[:12]
        plaintext = self.one(lambda: self.letters().encode("utf-8", "replace"), lambda: b"")
        return FORMS[self.chance.choice(sorted(FORMS))](nonce + AESGCM(KEYS[key]).encrypt(nonce, plaintext, None))

    def changed(self, data: bytes) -> bytes:
        place = self.chance.randrange(len(data) + 1)
        bit = 1 << self.chance.randrange(8)
        return bytes(
            self.one(
                lambda: data[:place] + bytes(byte ^ bit for byte in data[place : place + 1]) + data[place + 1 :],
                lambda: data[:place] + data[place + 1 :],
                lambda: data[:place] + self.some_bytes(2) + data[place:],
                lambda: data[: len(data) - self.chance.randrange(18)],
                lambda: b"v%d:" % place + data,
                lambda: b"v1:" + base64.b64encode(data),
                lambda: data + b"\n",
                lambda: data.replace(b'"', b"'", 1),
                lambda: data.replace(b'"version"', b'"\\u0076ersion"'),
                lambda: data.replace(b"}", b',"version":"v9","ciphertext":"","algorithm":"AES-256-GCM"}'),
                lambda: data.replace(b'"v3"', self.chance.choice([b"3", b'"3"', b'"v"', b'"v3\\n"', b'"v\xd9\xa3"'])),
                lambda: data.replace(b"{", b'{"a":[1e999,{"b":null}],', 1),
            )
        )

    # Cells of text and json columns

    def cell(self) -> dict[str, Any]:
        text = self.one(
            self.base64_row,
            lambda: json.dumps(self.base64_row()),
            self.json_cell,
            lambda: self.changed_text(self.json_cell()),
            lambda: json.dumps(self.json_cell()),
            lambda: self.any_json(2),
            lambda: self.older("a").decode("utf-8", "replace"),
            self.letters,
        )
        cell = {"text": text}
        return (
            cell if self.chance.random() < 0.6 else cell | {"member": self.chance.choice(["data", "note", "version"])}
        )

    def base64_row(self) -> str:
        return base64.b64encode(self.some_bytes(50)).decode()

    def json_cell(self) -> str:
        names = ["data", "note", "version", "ciphertext", "algorithm", "d\u0061ta", "x"]
        values = [self.base64_row, lambda: "v1", lambda: "AES-256-GCM", lambda: f"v2:{self.base64_row()}"]
        members = [
            f"{json.dumps(self.chance.choice(names))}:"
            + self.one(lambda: json.dumps(self.one(*values)), lambda: self.any_json(1))
            for _ in range(self.chance.randrange(5))
        ]
        space = self.chance.choice(["", "", " ", "\n\t", "\ufeff"])
        form = {"version": "v1", "ciphertext": self.base64_row(), "algorithm": "AES-256-GCM"}
        return str(self.one(lambda: f"{space}{{{','.join(members)}}}{space}", lambda: json.dumps(form)))

    # Texts

    def text(self) -> dict[str, Any]:
        number = self.chance.choice([*NUMBERS, *NUMBERS, -1, 2**30, 2**32 + 1, 10**9])
        return {"text": self.letters(), "context": self.letters(), "key": self.chance.choice("abc"), "number": number}

    # Values of secrets

    def value(self) -> dict[str, Any]:
        return dict(
            self.one(
                lambda: {"secretBinary": self.chance.randbytes(self.chance.choice([0, 31, 32, 32, 33, 64])).hex()},
                lambda: {"secretString": self.spelled_key()},
                lambda: {"secretString": self.changed_text(self.spelled_key())},
                lambda: {"secretString": self.json_value()},
                lambda: {"secretString": self.changed_text(self.json_value())},
                lambda: {"secretString": self.changed_text(self.changed_text(self.json_value()))},
                lambda: {"secretString": self.letters()},
                dict,
            )
        )

    def spelled_key(self) -> str:
        key = self.chance.randbytes(self.chance.choice([0, 24, 31, 32, 32, 32, 32, 32, 33, 48]))
        spelled = self.one(
            lambda: base64.b64encode(key).decode(),
            lambda: base64.b64encode(key).decode(),
            lambda: base64.urlsafe_b64encode(key).decode(),
            key.hex,
            lambda: key.hex().upper(),
        )
        space = self.chance.choice(["", "", "", " ", "\n", "\r\n", "\t", "\u00a0", "\ufeff", "\x0b", "\x0c", "\u2028"])
        return str(self.one(lambda: spelled + space, lambda: space + spelled))

    def json_value(self) -> str:
        members = [f"{json.dumps('encryption_key')}:{json.dumps(self.spelled_key())}"]
        members += [f"{json.dumps(self.letters(6))}:{self.any_json(2)}" for _ in range(self.chance.randrange(3))]
        if self.chance.random() < 0.15:
            members.append(f'"encryption\\u005fkey":{self.one(lambda: json.dumps(self.spelled_key()), lambda: "null")}')
        self.chance.shuffle(members)
        space = self.chance.choice(["", "", " ", "\n\t"])
        return f"{space}{{{space}" + f"{space},{space}".join(members) + f"{space}}}{space}"

    def any_json(self, depth: int) -> str:
        scalars = ["0", "-0", "1e5", "1E+400", "0.10", "01", "1.", ".5", "+1", "-", "NaN", "Infinity", "true", "nul"]
        deep = 5000
        choices: list[Callable[[], str]] = [
            lambda: self.chance.choice(scalars),
            lambda: json.dumps(self.letters()),
            lambda: json.dumps(self.letters(), ensure_ascii=False),
            lambda: '"' + self.chance.choice(["\\u12", "\\x41", "\\", "\t", "\\u00e9\\/", "\\uD83D\\uDE00"]) + '"',
            lambda: "9" * self.chance.choice([1, 400, 5000]),
            lambda: "[" * deep + "]" * self.chance.choice([deep, deep - 1]),
        ]
        if depth > 0:
            several = [self.any_json(depth - 1) for _ in range(self.chance.randrange(3))]
            choices.append(lambda: "[" + ",".join(several) + "]")
            choices.append(lambda: '{"encryption_key":' + self.any_json(depth - 1) + "}")
        return str(self.one(*choices))

    def changed_text(self, text: str) -> str:
        place = self.chance.randrange(len(text) + 1)
        return str(
            self.one(
                lambda: text[:place] + text[place + 1 :],
                lambda: text[:place] + self.letters(2) + text[place:],
                lambda: text[:place] + self.letters(3) + text[place + 1 :],
                lambda: text[:place],
                lambda: text[:place] + text[place:].swapcase(),
                lambda: text + text[place:],
                lambda: text.replace("=", "", 1),
                lambda: text.replace('"', '\\"', 1),
            )
        )

    # Environments

    def environment(self) -> dict[str, str]:
        variables = {
            "ENVIRONMENT": ["local", "development", "staging", "production", "prod", "Local", "", " local", "local\n"],
            "AWS_REGION": ["us-east-1", "us-east-1", "eu-central-1", "us-gov-west-1", "us-east", "", " ", "a-b-1"],
            "SECRETS_MANAGER_KEY_NAME": ["pazpaz/encryption-key-v1", "", *ARNS, "0", "a:b", "a" * 512, "a" * 513],
            "ENCRYPTION_MASTER_KEY": ["", self.spelled_key(), self.json_value(), self.changed_text(self.spelled_key())],
        }
        rare = {
            "ENCRYPTION_KEY_SOURCE": ["environment", "environment", "aws", "", "env", '"aws"'],
            "ENCRYPTION_FALLBACK": ["on", "off", "", "Off", "off\r"],
            **{f"ENCRYPTION_MASTER_KEY_V{n}": ["", self.spelled_key()] for n in ("1", "2", "10", "02", "0", "", "x")},
        }
        variables |= {name: found for name, found in rare.items() if self.chance.random() < 0.2}
        return {name: self.chance.choice(found) for name, found in variables.items() if self.chance.random() < 0.8}

    # Rings

    def ring(self) -> dict[str, Any]:
        labels = [f"key-v{number}" for number in self.chance.sample([1, 2, 3, 4, 5, 127, 128, 300], 5)]
        labels += self.chance.sample(["AWSCURRENT", "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "blue", "key-v01"], 4)
        versions: list[dict[str, Any]] = [
            {"versionId": f"version-{name}", "stages": [], "secretBinary": KEYS[name].hex()}
            for name in self.chance.sample("abcd", self.chance.randrange(1, 5))
        ]
        for version in versions:
            if self.chance.random() < 0.1:
                version["denied"] = True
            elif self.chance.random() < 0.1:
                version["secretBinary"] = "00" * 24
        for label in dict.fromkeys(labels):
            self.chance.choice(versions)["stages"].append(label)
        ring: dict[str, Any] = {"versions": versions, "legacy": self.chance.random() < 0.8}
        ring["aws"] = self.chance.choice([*["answers"] * 6, "silent", "silent after opening", "not asked"])
        # Python's ring compares the environment's key with all others in the background: which keys are cached then is
        # chance. Where that matters there is none.
        is_chance = ring["aws"] == "silent after opening" or not ring["legacy"]
        if ring["aws"] == "not asked" or (self.chance.random() < 0.4 and not is_chance):
            ring["environmentKey"] = self.chance.choice("abcde")
        if self.chance.random() < 0.2:
            ring["primaryRegion"] = self.chance.choice(["us-east-1", "eu-central-1"])
        ring["rows"] = [self.ring_row() for _ in range(4)]
        return ring

    def ring_row(self) -> dict[str, Any]:
        key, context = self.chance.choice("abcde"), "patients:7:note"
        number = self.chance.choice([0, 1, 2, 3, 4, 5, 127, 128, 300, 301, 16384])
        row = self.one(
            lambda: self.sealed(key, number, context),
            lambda: self.sealed(key, number, context),
            lambda: self.older(key),
            lambda: self.changed(self.sealed(key, number, context)),
            lambda: self.some_bytes(60),
        )
        return {"row": row.hex(), "context": self.one(lambda: context, lambda: context, lambda: context + "x")}
