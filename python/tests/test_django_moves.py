"""pazpaz_keys.django: a row whose key changes takes its cells along, or is refused."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import F, Value

from pazpaz_keys import KeyRing
from pazpaz_keys.django import EncryptedColumnError, EncryptedTextField

SECRET = "Patient has diabetes"


@pytest.fixture
def beds(migrations: object, ring: KeyRing) -> Iterator[Any]:  # noqa: ARG001
    from clinic.models import Bed, Chart

    bed = Bed.objects.create(ward=1, chart=Chart.objects.create(notes="a"), notes=SECRET, report=SECRET)
    assert bed.pk
    yield Bed.objects
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE clinic_chart, clinic_visit, clinic_bed")


def moved(beds: Any, **values: Any) -> Any:
    bed = beds.get()
    for name, value in values.items():
        setattr(bed, name, value)
    return bed


def deferred(beds: Any) -> Any:
    bed = beds.defer("notes").get()
    bed.ward = 3
    return bed


def upsert(beds: Any, *fields: str, ward: Any = 7) -> Any:
    row = beds.model(id=beds.get().pk, ward=ward)
    return beds.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=list(fields))


def other_chart() -> Any:
    from clinic.models import Chart

    return Chart.objects.create()


MOVES: dict[str, Callable[[Any], object]] = {
    "update of the primary key": lambda beds: beds.update(id=100),
    "update": lambda beds: beds.update(ward=2),
    "update with an expression": lambda beds: beds.update(ward=F("ward") + 1),
    "update that keeps the cell": lambda beds: beds.update(ward=2, notes=F("notes")),
    "update_fields": lambda beds: moved(beds, ward=2).save(update_fields=["ward"]),
    "bulk_update": lambda beds: beds.bulk_update([moved(beds, ward=2)], ["ward"]),
    "deferred": lambda beds: deferred(beds).save(),
    "upsert": lambda beds: upsert(beds, "ward"),
    "upsert with an expression": lambda beds: upsert(beds, "ward", ward=Value(7)),
    "related add": lambda beds: other_chart().beds.add(beds.get()),
    "related remove": lambda beds: beds.get().chart.beds.remove(beds.get()),
    "on_delete": lambda beds: beds.get().chart.delete(),
}


@pytest.mark.parametrize("way", MOVES)
def test_a_key_is_not_written_without_the_cells_whose_context_names_it(beds: Any, way: str) -> None:
    with pytest.raises(EncryptedColumnError, match=r"without a new (notes|report)") as error:
        MOVES[way](beds)
    assert error.value.code == "INVALID_COLUMN"
    assert isinstance(error.value, FieldError)
    assert SECRET not in str(error.value)
    assert beds.values_list("ward", "notes", "report").get() == (1, SECRET, SECRET)


def test_a_save_of_the_whole_row_takes_its_cells_along(beds: Any) -> None:
    moved(beds, ward=2, chart=other_chart()).save()
    assert beds.values_list("ward", "notes", "report").get() == (2, SECRET, SECRET)
    moved(beds, ward=3).save(update_fields=["ward", "notes"])
    assert beds.values_list("ward", "notes").get() == (3, SECRET)
    beds.update_or_create(id=beds.get().pk, defaults={"ward": 2})  # saves the encrypted fields, too
    assert beds.values_list("ward", "notes", "report").get() == (2, SECRET, SECRET)
    deferred(beds).save(update_fields=["name"])
    beds.update(name="b", ward=4, notes=None)
    assert beds.values_list("name", "ward", "notes", "report").get() == ("b", 4, None, SECRET)
    upsert(beds, "name")
    assert beds.values_list("name", "ward").get() == (None, 4)


def test_a_watched_field_is_copied_and_pickled(beds: Any) -> None:
    field = beds.model._meta.get_field("ward")
    assert copy.deepcopy(field).column == "ward"
    assert pickle.loads(pickle.dumps(field)) == field  # noqa: S301
    assert pickle.loads(pickle.dumps(beds.filter(ward=1).query)) is not None  # noqa: S301


def test_a_list_of_encrypted_fields_is_warned_about() -> None:
    from django.contrib.postgres.fields import ArrayField

    class Tagged(models.Model):
        tags: "models.Field[Any, Any]" = ArrayField(EncryptedTextField(context="tagged:tags", storage="text"))
        notes = EncryptedTextField(context="tagged:notes")

        class Meta:
            app_label = "tagged"
            managed = False

    (found,) = (one for one in Tagged.check() if "is stored in clear" in one.msg)
    assert isinstance(found, checks.Warning)


def test_a_proxy_takes_the_number_of_a_new_row_first_as_its_model_does(beds: Any) -> None:  # noqa: ARG001
    from clinic.models import Chart, ChartProxy

    made = ChartProxy.objects.create(notes=SECRET)
    assert Chart.objects.get(pk=made.pk).notes == SECRET


def test_nothing_is_written_under_a_key_that_ignores_case(migrations: object) -> None:  # noqa: ARG001
    class CitextField(models.CharField):  # type: ignore[type-arg]
        def db_type(self, connection: object) -> str:  # noqa: ARG002
            return "citext"

    class Named(models.Model):
        id = CitextField(primary_key=True, max_length=20)
        notes = EncryptedTextField(context="named:{id}")

        class Meta:
            app_label = "named"
            managed = False

    for write in (Named(id="ABC", notes=SECRET).save, lambda: Named.objects.bulk_create([Named(id="A", notes=SECRET)])):
        with pytest.raises(EncryptedColumnError, match="citext"):
            write()
