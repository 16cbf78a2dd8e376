"""The column types."""

import json
from typing import Any

from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from .keys import registry


class EncryptedString(TypeDecorator[str]):
    """Text in a bytea column: the bytes of vN:<base64>."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else registry().encrypt(value.encode()).encode()

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else registry().decrypt(value.decode()).decode()


class EncryptedLine(TypeDecorator[str]):
    """Text in a text column: vN:<base64>."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else registry().encrypt(value.encode())

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else registry().decrypt(value).decode()


class EncryptedJSON(TypeDecorator[dict[str, Any]]):
    """A dictionary in a jsonb column: {"data": "vN:<base64>"}."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> dict[str, str] | None:
        return None if value is None else {"data": registry().encrypt(json.dumps(value).encode())}

    def process_result_value(self, value: dict[str, str] | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else dict(json.loads(registry().decrypt(value["data"])))
