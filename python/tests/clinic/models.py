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
