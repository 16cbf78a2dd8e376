"""An application of FastAPI with encrypted columns: uvicorn fastapi_app:app --workers 2.

The environment names the database (``DATABASE_URL``) and the key ring (``ENVIRONMENT`` and so on, docs/use.md).
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pazpaz_keys import KeyRotationError, shared_ring
from pazpaz_keys.sqlalchemy import EncryptedText


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[str | None] = mapped_column(EncryptedText("patients:notes"))


class Notes(BaseModel):
    notes: str | None


engine: AsyncEngine = create_async_engine(os.environ["DATABASE_URL"], hide_parameters=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    ring = await asyncio.to_thread(shared_ring)  # an application that cannot encrypt does not start
    await asyncio.to_thread(ring.warm)
    yield
    await asyncio.to_thread(ring.close)
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/patients")
async def add(body: Notes) -> dict[str, int]:
    async with AsyncSession(engine) as session:
        patient = Patient(notes=body.notes)
        session.add(patient)
        await session.commit()
        await session.refresh(patient, ["id"])
        return {"id": patient.id}


@app.get("/patients/{number}")
async def read(number: int) -> Notes:
    async with AsyncSession(engine) as session:
        try:
            patient = await session.get(Patient, number)
        except KeyRotationError as error:
            # Only this code is worth another try. The others need an operator.
            raise HTTPException(503 if error.code == "KEY_UNAVAILABLE" else 500, error.code) from None
        if patient is None:
            raise HTTPException(404)
        return Notes(notes=patient.notes)


@app.get("/health")
async def health(response: Response) -> dict[str, object]:
    found = shared_ring().health()  # makes no call to AWS
    response.status_code = 200 if found.can_encrypt else 503
    return found.as_dict() | {"process": os.getpid()}
