from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pazpaz_keys.sqlalchemy import EncryptedJson, EncryptedText


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))
    phone: Mapped[str | None] = mapped_column(EncryptedText("patients:phone", storage="text"))
    payment: Mapped[dict[str, Any] | None] = mapped_column(
        EncryptedJson("patients:payment", storage="jsonb", member="data")
    )
