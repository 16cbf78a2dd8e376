"""pazpaz_keys.django against a real PostgreSQL."""

import base64
import json
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.functions import Lower

from clocks import MovedClock
from older_data import old_box, older_cells
from pazpaz_keys import KeyRing, KeyRotationError, share_ring
from pazpaz_keys.django import EncryptedBytesField, EncryptedColumnError, EncryptedJsonField, EncryptedTextField
from ring_world import KEYS, World

SECRET = "Patient has diabetes"
FULL: dict[str, Any] = {
    "notes": SECRET,
    "address": "Größe 1,80 m 😀",
    "scan": bytes(range(256)),
    "stamp": b"",
    "card": {"number": "4111", "years": [2026, 2027.5, None, True]},
    "plan": ["a", {"b": ""}],
    "label": "",
}

COLUMNS = {
    ("text", "bytea"): "notes",
    ("text", "text"): "address",
    ("text", "jsonb"): "label",
    ("bytes", "bytea"): "scan",
    ("bytes", "text"): "stamp",
    ("JSON", "bytea"): "plan",
    ("JSON", "jsonb"): "card",
}


@pytest.fixture
def patients(migrations: Path, ring: KeyRing) -> Iterator[Any]:  # noqa: ARG001
    from clinic.models import Patient

    yield Patient.objects
    Patient.objects.all().delete()


def raw(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(KeyRotationError) as error:
        act()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    return error.value.code


def test_every_field_brings_back_its_value_and_the_database_sees_none_of_it(patients: Any, ring: KeyRing) -> None:
    created = patients.create(**FULL)
    empty = patients.create()
    assert patients.values(*FULL).get(pk=created.pk) == FULL
    assert set(patients.values(*FULL).get(pk=empty.pk).values()) == {None}
    created.refresh_from_db()
    assert {name: getattr(created, name) for name in FULL} == FULL
    assert patients.only("pk").get(pk=created.pk).notes == SECRET
    assert list(patients.filter(pk=created.pk).values_list("card", flat=True)) == [FULL["card"]]
    columns = ", ".join(FULL)
    cells = dict(zip(FULL, raw(f"SELECT {columns} FROM clinic_patient ORDER BY id")[0], strict=True))
    assert bytes(cells["notes"])[0] == 1
    row = base64.b64decode(json.loads(cells["card"])["data"])
    assert json.loads(ring.decrypt_field(row, "patients:card")) == FULL["card"]
    assert set(raw(f"SELECT {columns} FROM clinic_patient ORDER BY id")[1]) == {None}
    types = raw(
        "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_name = 'clinic_patient'"
    )
    assert types == [("bigint,text,bytea,text,bytea,text,jsonb,bytea,jsonb",)]


def test_migrations_name_the_context_and_are_complete(migrations: Path) -> None:
    written = (migrations / "0001_initial.py").read_text("utf-8")
    assert "pazpaz_keys.django.EncryptedTextField(context='patients:notes', null=True)" in written
    assert "EncryptedJsonField(context='patients:card', member='data', null=True, storage='jsonb')" in written
    call_command("makemigrations", "clinic", check=True, dry_run=True, verbosity=0)


def test_a_ring_of_its_own_is_named_in_migrations_by_the_function_that_returns_it() -> None:
    field = EncryptedTextField(context="a", ring=KeyRing.open)
    _, path, args, kwargs = field.deconstruct()
    assert (path, args) == ("pazpaz_keys.django.EncryptedTextField", [])
    assert kwargs == {"context": "a", "ring": KeyRing.open}


def test_rows_of_before_stay_readable_over_rotations_and_a_save_brings_them_to_the_current_key(
    patients: Any, ring: KeyRing, world: World[MovedClock]
) -> None:
    patients.create(**FULL)
    for key in KEYS[1:4]:
        world.secret.rotate(key)
        ring.refresh()
        patients.create(**FULL)
    assert list(patients.values(*FULL)) == [FULL] * 4
    numbers = "SELECT get_byte(notes, 0) FROM clinic_patient ORDER BY id"
    assert raw(numbers) == [(1,), (2,), (3,), (4,)]
    for patient in patients.all():
        patient.save()
    assert raw(numbers) == [(4,)] * 4


def test_a_row_under_a_retired_key_is_refused_with_its_reason(
    patients: Any, ring: KeyRing, world: World[MovedClock]
) -> None:
    patients.create(name="old", notes=SECRET)
    for key in KEYS[1:3]:
        world.secret.rotate(key)
    world.secret.record_retirement(1)
    world.secret.unlabel(1)
    ring.refresh()
    patients.create(name="new", notes=SECRET)
    assert code_of(lambda: patients.get(name="old")) == "KEY_RETIRED"
    assert patients.get(name="new").notes == SECRET


def test_in_an_outage_a_row_whose_key_is_not_cached_raises_and_the_others_are_read_and_written(
    patients: Any, ring: KeyRing, world: World[MovedClock]
) -> None:
    other = World(world.clock).with_keys(*KEYS[:2])
    patients.create(name="cached", notes=SECRET)
    share_ring(other.open())  # another process, which has seen a rotation that this one has not
    patients.create(name="newer", notes=SECRET)
    share_ring(ring)
    world.secret.is_silent = True
    assert code_of(lambda: patients.get(name="newer")) == "KEY_UNAVAILABLE"
    patients.create(name="in the outage", notes=SECRET)
    assert list(patients.exclude(name="newer").values_list("notes", flat=True)) == [SECRET] * 2
    other.close()


def test_older_data_of_every_form_is_read_in_every_type_of_column(patients: Any) -> None:
    for kind, storage, cell, value in older_cells(KEYS[0], SECRET):
        column = COLUMNS.get((kind, storage))
        if column is None:
            continue  # the table of this test has no such column
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO clinic_patient ({column}) VALUES (%s)", [cell])
        assert patients.values_list(column, flat=True).get() == value, (column, cell)
        patients.all().delete()


def test_bulk_writes_encrypt(patients: Any) -> None:
    many = patients.bulk_create([patients.model(name=str(index), notes=f"{index}") for index in range(3)])
    assert all(patient.pk for patient in many)
    for patient in many:
        patient.notes, patient.card, patient.address = f"by key {patient.name}", {"a": patient.name}, None
    patients.bulk_update(many, ["notes", "card", "address"])
    found = patients.order_by("name").values_list("notes", "card", "address")
    assert list(found) == [(f"by key {n}", {"a": n}, None) for n in "012"]
    patients.filter(name="1").update(notes="one", plan={"at": date(2026, 1, 2)}, scan=None)
    assert list(patients.filter(name="1").values_list("notes", "plan")) == [("one", {"at": "2026-01-02"})]
    patients.update(notes=F("notes"))  # the same field: its cells stay what they are
    patients.bulk_create(
        [patients.model(pk=many[0].pk, notes="conflict")],
        update_conflicts=True,
        update_fields=["notes"],
        unique_fields=["id"],
    )
    assert patients.get(pk=many[0].pk).notes == "conflict"
    assert {number for (number,) in raw("SELECT get_byte(notes, 0) FROM clinic_patient")} == {1}


@pytest.mark.parametrize(
    "expression",
    [
        F("address"),
        F("name"),
        Value(SECRET),
        Value(SECRET, output_field=models.TextField()),
        Lower("notes"),
        models.Case(models.When(pk=1, then=Value(SECRET)), default=F("notes")),
    ],
    ids=str,
)
def test_an_expression_of_the_database_is_not_stored_because_it_would_not_be_encrypted(
    patients: Any, expression: Any
) -> None:
    patients.create(name="a", **FULL)
    with pytest.raises(FieldError, match="The encrypted field notes takes values"):
        patients.update(notes=expression)
    patient = patients.get()
    patient.notes = expression
    with pytest.raises(FieldError, match="The encrypted field notes takes values"):
        patient.save()
    assert patients.get().notes == SECRET


def test_null_can_be_asked_for_and_nothing_else(patients: Any) -> None:
    patients.create(name="null")
    patients.create(name="full", **FULL)
    for query in (
        patients.filter(notes=None),
        patients.filter(card__isnull=True),
        patients.exclude(plan__isnull=False),
    ):
        assert [patient.name for patient in query] == ["null"]
    refused: list[dict[str, Any]] = [
        {"notes": SECRET},
        {"notes__exact": SECRET},
        {"notes__iexact": SECRET},
        {"notes__in": [SECRET]},
        {"notes__contains": "a"},
        {"notes__gt": "a"},
        {"notes__regex": "a"},
        {"notes__year": 2026},
        {"card__number": "4111"},
        {"card__has_key": "number"},
        {"card": {"number": "4111"}},
        {"scan": b"a"},
        {"notes": F("address")},
    ]
    for lookup in refused:
        with pytest.raises(FieldError, match=r"is encrypted, so the database|Unsupported lookup"):
            patients.filter(**lookup)
        with pytest.raises(FieldError, match=r"is encrypted, so the database|Unsupported lookup"):
            patients.get(**lookup)
    assert code_of(lambda: patients.filter(notes=SECRET)) == "INVALID_COLUMN"
    assert code_of(lambda: patients.update(notes=Lower("address"))) == "INVALID_COLUMN"


def test_a_value_of_another_type_is_refused_without_being_shown(patients: Any) -> None:
    wrong: list[dict[str, Any]] = [
        {"notes": b"bytes"},
        {"notes": 7},
        {"scan": SECRET},
        {"card": {"a": float("nan")}},
        {"card": {1, 2}},
        {"notes": "half \ud83d", "address": SECRET},
    ]
    for values in wrong:
        assert code_of(lambda values=values: patients.create(**values)) == "INVALID_TEXT"  # type: ignore[misc]


def test_an_option_that_has_no_meaning_is_an_error_of_the_system_check(migrations: Path) -> None:  # noqa: ARG001
    class Wrong(models.Model):
        notes = EncryptedTextField(context="a", unique=True, db_index=True)
        scan = EncryptedBytesField(context="b", primary_key=True)
        card = EncryptedJsonField(context="c", null=True)

        class Meta:
            app_label = "wrong"
            managed = False

    found = [(error.id, error.msg.split()[0]) for error in Wrong.check(databases=["default"])]
    assert sorted(found) == [("pazpaz_keys.E001", name) for name in ("db_index", "primary_key", "unique", "unique")]


def test_a_misspelt_field_is_refused() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: EncryptedTextField(context=""),
        lambda: EncryptedTextField(context="a", storage="json"),  # type: ignore[arg-type]
        lambda: EncryptedTextField(context="a", storage="text", member="data"),
    ]
    for act in wrong:
        assert code_of(act) == "INVALID_SETTINGS"
    with pytest.raises(TypeError, match="context"):
        EncryptedTextField()  # type: ignore[call-arg]


ROW: dict[str, Any] = {name: FULL[name] for name in ("notes", "address", "scan", "card")}


@pytest.fixture
def charts(patients: Any) -> Iterator[Any]:  # noqa: ARG001
    from clinic.models import Chart

    yield Chart.objects
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE clinic_chart, clinic_visit, clinic_bed")


def test_a_value_is_bound_to_its_row_although_the_database_generates_the_key(charts: Any, ring: KeyRing) -> None:
    from clinic.models import Visit

    first, empty = charts.create(name="a", **ROW), charts.create(name="b")
    last = charts.model(name="c", notes="saved")
    last.save()
    assert charts.values(*ROW).get(pk=first.pk) == ROW
    assert set(charts.values(*ROW).get(pk=empty.pk).values()) == {None}
    first.refresh_from_db()
    assert {name: getattr(first, name) for name in ROW} == ROW
    assert charts.defer("notes").get(name="c").notes == "saved"
    last.notes = "changed"
    last.save()
    cells = dict(raw("SELECT id, notes FROM clinic_chart WHERE notes IS NOT NULL"))
    assert {pk: ring.decrypt_field(bytes(cell), f"charts:{pk}:notes") for pk, cell in cells.items()} == {
        first.pk: SECRET,
        last.pk: "changed",
    }
    visit = Visit(pk=str(Visit().pk).upper(), chart=first, report="fine")
    visit.save()
    (cell,) = raw("SELECT report FROM clinic_visit")[0]
    assert ring.decrypt_field(bytes(cell), f"{{visits}}:{first.pk}:{str(visit.pk).lower()}") == "fine"
    found = Visit.objects.select_related("chart").get()
    assert (found.report, found.chart.notes, found.chart.card) == ("fine", SECRET, ROW["card"])
    assert list(charts.values_list("visit__report", "notes").filter(visit__isnull=False)) == [("fine", SECRET)]
    inner = charts.filter(pk=models.OuterRef("chart_id")).values("notes")[:1]
    assert Visit.objects.annotate(of=models.Subquery(inner)).values_list("of").get() == (SECRET,)
    both = charts.filter(name="a").values_list("notes").union(charts.filter(name="c").values_list("notes"), all=True)
    assert sorted(both) == [(SECRET,), ("changed",)]
    visits = [Visit(chart=last, report=f"{index}") for index in range(2)]
    Visit.objects.bulk_create(visits)
    assert sorted(Visit.objects.filter(chart=last).values_list("report", flat=True)) == ["0", "1"]


def test_a_cell_that_is_copied_to_another_row_does_not_open_there(charts: Any) -> None:
    charts.create(name="a", **ROW)
    mine = charts.create(name="b", notes="mine")
    raw("UPDATE clinic_chart SET notes = (SELECT notes FROM clinic_chart WHERE name = 'a') RETURNING 1")
    assert code_of(lambda: charts.get(name="b")) == "TAMPERED_OR_WRONG_CONTEXT"
    with pytest.raises(EncryptedColumnError, match=f"^Field charts:{mine.pk}:notes: ") as error:
        charts.get(name="b")
    assert error.value.context == f"charts:{mine.pk}:notes"


def test_a_write_that_does_not_show_the_row_is_refused(charts: Any) -> None:
    from clinic.models import Priced

    chart = charts.create(name="a", **ROW)
    other = charts.model(pk=chart.pk + 1, name="a", notes="other")
    refused: list[Callable[[], object]] = [
        lambda: charts.bulk_create([charts.model(name="b", notes=SECRET)]),
        lambda: charts.bulk_update([chart], ["notes"]),
        lambda: charts.filter(pk=chart.pk).update(notes=SECRET),
        lambda: charts.bulk_create([other], update_conflicts=True, update_fields=["notes"], unique_fields=["name"]),
        lambda: Priced(id=7, notes=SECRET).save(),
        lambda: list(Priced.objects.all()),
    ]
    for act in refused:
        assert code_of(act) == "INVALID_COLUMN"
    with pytest.raises(EncryptedColumnError, match=r"Read the rows and save\(\) each"):
        charts.update(notes=SECRET)
    charts.update(notes=F("notes"), card=None)
    again = charts.model(pk=chart.pk, name="a", notes="again")
    charts.bulk_create([again], update_conflicts=True, update_fields=["notes"], unique_fields=["id"])
    assert charts.values_list("notes", "card").get() == ("again", None)
    with pytest.raises(FieldError, match="The encrypted field notes takes values"):
        charts.update(notes=Lower("name"))


def test_a_chart_of_older_data_is_read(charts: Any) -> None:
    charts.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE clinic_chart SET notes = %s", [b"v1:" + old_box(KEYS[0], SECRET, b"\x07" * 12)])
    assert charts.get().notes == SECRET
