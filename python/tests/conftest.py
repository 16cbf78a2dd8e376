import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hypothesis
import pytest

from clocks import ManualClock, MovedClock
from local_service import LocalService
from pazpaz_keys import KeyMaterial, KeyRing, Settings, share_ring
from pazpaz_keys.key_value import read_key_value
from postgres import Postgres
from ring_world import KEYS, World

# The same examples each time, however slow the machine is.
hypothesis.settings.register_profile("check", derandomize=True, deadline=None, database=None, max_examples=200)
hypothesis.settings.load_profile("check")


@pytest.fixture(scope="session")
def build() -> Path:
    """Where python/check has built the TypeScript side."""
    return Path(os.environ.get("PAZPAZ_BUILD") or Path(__file__).parents[1] / ".venv" / "build")


@pytest.fixture(scope="session")
def running_service(build: Path) -> Iterator[LocalService]:
    service = LocalService(build)
    yield service
    service.stop()


@pytest.fixture
def service(running_service: LocalService, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalService]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", running_service.url)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    running_service.heal()
    running_service.forget_calls()
    yield running_service
    running_service.heal()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrations(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The application, with the migrations that Django made for it, and its tables."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    folder = tmp_path_factory.mktemp("django") / "clinic_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    uri = urlsplit(postgres.new_database())
    settings.configure(
        INSTALLED_APPS=["clinic"],
        MIGRATION_MODULES={"clinic": "clinic_migrations"},
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": uri.path[1:],
                "USER": "postgres",
                "HOST": parse_qs(uri.query)["host"][0],
            }
        },
    )
    sys.path.insert(0, str(folder.parent))
    django.setup()
    call_command("makemigrations", "clinic", verbosity=0)
    call_command("migrate", verbosity=0)
    yield folder
    connection.close()
    sys.path.remove(str(folder.parent))


_names = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A secret's name that no other test uses."""
    return f"pazpaz/test-{next(_names)}"


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def world(clock: MovedClock) -> Iterator[World[MovedClock]]:
    world = World(clock)
    yield world
    world.close()


@pytest.fixture
def still_world() -> Iterator[World[ManualClock]]:
    """One in which nothing takes time but what hangs."""
    world = World(ManualClock())
    yield world
    world.close()


@pytest.fixture
def ring(world: World[MovedClock]) -> Iterator[KeyRing]:
    """A warm ring with one key, which is that of the process."""
    ring = world.with_keys(KEYS[0]).open()
    ring.warm()
    share_ring(ring)
    yield ring
    share_ring(None)


OpenRing = Callable[..., KeyRing]


@pytest.fixture
def open_ring() -> Iterator[OpenRing]:
    """Opens rings that are closed after the test."""
    rings: list[KeyRing] = []

    def open_ring(
        name: str, environment_key: str | None = None, environment: str = "staging", **options: object
    ) -> KeyRing:
        ring = KeyRing.open(settings_for(name, environment_key, environment), **options)  # type: ignore[arg-type]
        rings.append(ring)
        return ring

    yield open_ring
    for ring in rings:
        ring.close()


def settings_for(name: str, environment_key: str | None = None, environment: str = "staging") -> Settings:
    key: KeyMaterial | None = None if environment_key is None else read_key_value(environment_key)
    return Settings(environment, "us-east-1", name, key)  # type: ignore[arg-type]
