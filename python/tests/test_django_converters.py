"""pazpaz_keys.django: the cells of a column are decrypted one after the other, and rows come as from Django itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler

from pazpaz_keys import KeyRing
from pazpaz_keys.django import EncryptedColumnError
from pazpaz_keys.django_converters import convert_by_columns

SECRET = "Patient has diabetes"
ROWS = 75


@pytest.fixture
def patients(migrations: object, ring: KeyRing) -> Iterator[Any]:  # noqa: ARG001
    from clinic.models import Patient

    many = (Patient(name=str(row), notes=f"{SECRET} {row}", address=f"{row}", card={"n": row}) for row in range(ROWS))
    Patient.objects.bulk_create([*many, Patient(name="empty")])
    yield Patient.objects.order_by("id")
    Patient.objects.all().delete()


def spoil(column: str, row: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE clinic_patient SET {column} = 'broken' WHERE name = %s", [str(row)])


def test_rows_are_converted_by_columns_in_this_version_of_django(patients: Any) -> None:
    compiler = patients.query.get_compiler("default")
    compiler.as_sql()
    assert "apply_converters" in vars(compiler)
    rows = list(compiler.results_iter(tuple_expected=True))
    assert [(row[2], row[3], row[6]) for row in rows[:-1]] == [
        (f"{SECRET} {row}", f"{row}", {"n": row}) for row in range(ROWS)
    ]
    assert set(rows[-1][2:]) == {None}


def test_a_compiler_with_a_way_of_its_own_is_left_alone() -> None:
    class Own(SQLCompiler):
        def apply_converters(self, rows: Any, converters: Any) -> Any:
            return super().apply_converters(rows, converters)

    for compiler in (Own.__new__(Own), object()):
        before = dict(vars(compiler)) if isinstance(compiler, Own) else {}
        convert_by_columns(compiler)
        assert getattr(compiler, "__dict__", {}) == before


@pytest.mark.parametrize("row", [0, 31, 32, 33, ROWS - 1])
def test_the_rows_before_one_that_cannot_be_read_are_read(patients: Any, row: int) -> None:
    spoil("notes", row)
    spoil("address", min(row + 5, ROWS - 1))
    read: Iterator[Any] = iter(ModelIterable(patients))
    for expected in range(row):
        patient = next(read)
        assert (patient.name, patient.notes, patient.address) == (str(expected), f"{SECRET} {expected}", str(expected))
    with pytest.raises(EncryptedColumnError, match=r"^Field patients:notes: "):
        next(read)


def test_the_first_row_that_cannot_be_read_is_named_whatever_its_column(patients: Any) -> None:
    spoil("notes", 20)
    spoil("address", 19)
    with pytest.raises(EncryptedColumnError, match=r"^Field patients:address: "):
        list(patients)


def test_no_frame_of_this_package_shows_the_other_rows_to_an_error_reporter(patients: Any) -> None:
    spoil("address", 40)
    with pytest.raises(EncryptedColumnError) as error:
        list(patients.values_list("notes", "address"))
    shown = [str(entry.locals) for entry in error.traceback if "pazpaz_keys" in str(entry.path)]
    assert shown
    assert SECRET not in "".join(shown)


def test_the_null_of_json_which_other_programs_write_is_none(patients: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE clinic_patient SET card = 'null', label = 'null' WHERE name = '1'")
    assert patients.values_list("card", "label").get(name="1") == (None, None)


def test_every_kind_of_query_is_converted(patients: Any) -> None:
    assert list(patients.values_list("notes", flat=True)[:2]) == [f"{SECRET} 0", f"{SECRET} 1"]
    assert patients.values("notes", "pk").first()["notes"] == f"{SECRET} 0"
    assert patients.annotate(n=Count("pk")).get(name="3").notes == f"{SECRET} 3"
    assert [patient.notes for patient in patients.iterator(chunk_size=1)][:-1] == [
        f"{SECRET} {row}" for row in range(ROWS)
    ]
    assert [patient.notes for patient in patients.raw("SELECT * FROM clinic_patient ORDER BY id")][-1] is None
    both = patients.filter(name="1").order_by().values_list("notes")
    assert sorted(both.union(patients.filter(name="2").order_by().values_list("notes"))) == [
        (f"{SECRET} 1",),
        (f"{SECRET} 2",),
    ]
