"""A table with an encrypted column of every type and storage."""

from typing import Any, ClassVar

from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pazpaz_keys.sqlalchemy import EncryptedBytes, EncryptedJson, EncryptedText
from sqlalchemy_sessions import SECRET


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {dict[str, Any]: EncryptedJson("patients:extra")}


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)  # PostgreSQL generates it
    name: Mapped[str | None]
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))
    address: Mapped[str | None] = mapped_column(EncryptedText("patients:address", storage="text"))
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes("patients:scan"))
    stamp: Mapped[bytes | None] = mapped_column(EncryptedBytes("patients:stamp", storage="text"))
    card: Mapped[Any] = mapped_column(EncryptedJson("patients:card", storage="jsonb", member="data"), nullable=True)
    plan: Mapped[Any] = mapped_column(EncryptedJson("patients:plan", storage="json"), nullable=True)
    label: Mapped[str | None] = mapped_column(EncryptedText("patients:label", storage="jsonb"))
    visits: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(EncryptedJson("patients:visits")))


FULL: dict[str, Any] = {
    "notes": SECRET,
    "address": "Größe 1,80 m 😀",
    "scan": bytes(range(256)),
    "stamp": b"",
    "card": {"number": "4111", "years": [2026, 2027.5, None, True]},
    "plan": ["a", {"b": ""}],
    "label": "",
    "visits": {"count": 1},
}

COLUMNS = {
    ("text", "bytea"): "notes",
    ("text", "text"): "address",
    ("text", "jsonb"): "label",
    ("bytes", "bytea"): "scan",
    ("bytes", "text"): "stamp",
    ("JSON", "bytea"): "visits",
    ("JSON", "json"): "plan",
    ("JSON", "jsonb"): "card",
}


def values_of(patient: Patient) -> dict[str, Any]:
    return {name: getattr(patient, name) for name in FULL}
