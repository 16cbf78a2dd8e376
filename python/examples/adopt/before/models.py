from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .columns import EncryptedJSON, EncryptedLine, EncryptedString


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[str | None] = mapped_column(EncryptedString)
    phone: Mapped[str | None] = mapped_column(EncryptedLine)
    payment: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON)
