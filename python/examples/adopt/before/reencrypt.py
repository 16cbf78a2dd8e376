"""The application's own re-encryption: reads every row and writes it again under the current version."""

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from .models import Patient


def reencrypt(engine: Engine) -> int:
    with Session(engine) as session:
        patients = session.scalars(select(Patient)).all()
        for patient in patients:
            for column in ("notes", "phone", "payment"):
                flag_modified(patient, column)
        session.commit()
        return len(patients)
