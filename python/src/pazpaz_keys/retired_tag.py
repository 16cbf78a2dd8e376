"""Records about versions: tags of the secret."""

from collections.abc import Iterable, Mapping

from .key_number import number_of_label

_PREFIX = "pazpaz:retired:"
_COPY = "pazpaz:copy:"


def retirement_records(tags: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """The number of each version with a tag ``pazpaz:retired:key-vN`` = ``VersionId date``."""
    records: dict[str, int] = {}
    for tag in tags:
        name, value = tag.get("Key", ""), tag.get("Value", "")
        number = number_of_label(name[len(_PREFIX) :]) if name.startswith(_PREFIX) else None
        version_id = value.partition(" ")[0]
        if number is not None and version_id:
            records[version_id] = number
    return records


def copy_versions(tags: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """The versions whose number is on another version with the same key: ``pazpaz-keys move`` tags them.

    The name of a tag ends in one of them, and its value has a date and then others.
    """
    versions: set[str] = set()
    for tag in tags:
        name = tag.get("Key", "")
        if name.startswith(_COPY):
            versions.update([name[len(_COPY) :], *tag.get("Value", "").split(" ")[1:]])
    return frozenset(versions - {""})
