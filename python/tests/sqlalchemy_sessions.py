"""Databases and sessions for the tests of pazpaz_keys.sqlalchemy."""

import asyncio
import traceback
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, create_engine, delete
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session

from pazpaz_keys.sqlalchemy import EncryptedColumnError
from postgres import Postgres

SECRET = "Patient has diabetes"

Run = Callable[[Callable[[Session], None]], None]


def database_with(postgres: Postgres, base: type[DeclarativeBase]) -> str:
    """The URI of a new database with the tables of ``base``."""
    uri = postgres.new_database()
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    base.metadata.create_all(engine)
    engine.dispose()
    return uri


def emptied_engine(uri: str, base: type[DeclarativeBase]) -> Iterator[Engine]:
    """An engine whose tables are empty again afterwards."""
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    yield engine
    with engine.begin() as connection:
        for table in reversed(base.metadata.sorted_tables):
            connection.execute(delete(table))
    engine.dispose()


def runner(driver: str, engine: Engine, uri: str) -> Run:
    """Runs a function with a session of a driver: ``psycopg``, ``psycopg, async`` or ``asyncpg``."""

    def sync(act: Callable[[Session], None]) -> None:
        with Session(engine) as session:
            act(session)

    def in_loop(act: Callable[[Session], None]) -> None:
        async def main() -> None:
            engine = create_async_engine(uri.replace("postgresql:", f"postgresql+{driver.split(',')[0]}:"))
            try:
                async with AsyncSession(engine) as session:
                    await session.run_sync(act)
            finally:
                await engine.dispose()

        asyncio.run(main())

    return sync if driver == "psycopg" else in_loop


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(EncryptedColumnError) as error:
        act()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    return error.value.code
