import uuid

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from pazpaz_keys.django import EncryptedBytesField, EncryptedJsonField, EncryptedTextField


class Patient(models.Model):
    name: "models.TextField[str | None, str | None]" = models.TextField(null=True)
    notes = EncryptedTextField(context="patients:notes", null=True)
    address = EncryptedTextField(context="patients:address", storage="text", null=True)
    scan = EncryptedBytesField(context="patients:scan", null=True)
    stamp = EncryptedBytesField(context="patients:stamp", storage="text", null=True)
    card = EncryptedJsonField(context="patients:card", storage="jsonb", member="data", null=True)
    plan = EncryptedJsonField(context="patients:plan", encoder=DjangoJSONEncoder, null=True)
    label = EncryptedTextField(context="patients:label", storage="jsonb", null=True)

    class Meta:
        app_label = "clinic"


class Chart(models.Model):
    """Its contexts name the row."""

    name: "models.TextField[str | None, str | None]" = models.TextField(null=True, unique=True)
    notes = EncryptedTextField(context="charts:{id}:notes", null=True)
    address = EncryptedTextField(context="charts:{id}:address", storage="text", null=True)
    scan = EncryptedBytesField(context="charts:{id}:scan", null=True)
    card = EncryptedJsonField(context="charts:{id}:card", storage="jsonb", member="data", null=True)

    class Meta:
        app_label = "clinic"


class Visit(models.Model):
    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=uuid.uuid4)
    chart: "models.ForeignKey[Chart, Chart]" = models.ForeignKey(Chart, on_delete=models.CASCADE)
    report = EncryptedTextField(context="{{visits}}:{chart_id}:{id}")

    class Meta:
        app_label = "clinic"


class ChartProxy(Chart):
    class Meta:
        app_label = "clinic"
        proxy = True


class Bed(models.Model):
    """Its context names a column beside the primary key, and may be moved to another ward."""

    ward: "models.IntegerField[int, int]" = models.IntegerField()
    name: "models.TextField[str | None, str | None]" = models.TextField(null=True)
    chart: "models.ForeignKey[Chart | None, Chart | None]" = models.ForeignKey(
        Chart, on_delete=models.SET_NULL, null=True, related_name="beds"
    )
    notes = EncryptedTextField(context="beds:{ward}:{id}:notes", null=True)
    report = EncryptedTextField(context="beds:{chart_id}:report", null=True)

    class Meta:
        app_label = "clinic"


class Priced(models.Model):
    id: "models.DecimalField[object, object]" = models.DecimalField(primary_key=True, max_digits=10, decimal_places=2)
    notes = EncryptedTextField(context="priced:{id}", null=True)

    class Meta:
        app_label = "clinic"
