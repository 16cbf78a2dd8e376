"""A secret's staging labels, read as a key ring."""

from collections.abc import Mapping, Sequence

from .key_number import number_of_label


class RingLabels:
    """The answer of ``DescribeSecret``: which version each number names, and which is current."""

    __slots__ = (
        "copies",
        "current",
        "highest_number",
        "is_replica",
        "number_of",
        "pending",
        "previous",
        "retired",
        "stages",
        "version_of",
    )

    def __init__(
        self,
        stages: Mapping[str, Sequence[str]],
        is_replica: bool = False,
        retirement_records: Mapping[str, int] | None = None,
        copies: frozenset[str] = frozenset(),
    ) -> None:
        """``stages``: labels by VersionId. ``retirement_records``: numbers by VersionId, from the secret's tags."""
        self.copies = copies
        """Versions whose key is on the ring under another version."""
        self.stages = stages
        self.is_replica = is_replica
        """Whether it was read from a replica, which may lag behind."""
        self.version_of: dict[int, str] = {}
        """The VersionId that each number names."""
        self.number_of: dict[str, int] = {}
        """The number of each numbered version; the lowest if it has several."""
        self.current: str | None = None
        self.previous: str | None = None
        self.pending: str | None = None
        for version_id, labels in stages.items():
            for label in labels:
                if label == "AWSCURRENT":
                    self.current = version_id
                elif label == "AWSPREVIOUS":
                    self.previous = version_id
                elif label == "AWSPENDING":
                    self.pending = version_id
                number = number_of_label(label)
                if number is not None:
                    self.version_of[number] = version_id
                    self.number_of[version_id] = min(number, self.number_of.get(version_id, number))
        self.highest_number = max(self.version_of, default=0)
        self.retired: dict[str, int] = {
            version_id: number
            for version_id, number in (retirement_records or {}).items()
            if not self.is_on_ring(version_id)
        }
        """The versions with a retirement record and no label, each with its number.

        Retiring writes the record before it removes the label, so a record beside a label is a retirement that has not
        happened.
        """

    def is_on_ring(self, version_id: str) -> bool:
        """Whether a version has a number or one of AWS's labels."""
        return version_id in self.number_of or version_id in (self.current, self.previous, self.pending)

    def versions_in_use(self) -> list[str]:
        """Every version that may have encrypted: the numbered ones in order, then those without a number."""
        numbered = [self.version_of[number] for number in sorted(self.version_of)]
        unnumbered = [version for version in (self.previous, self.current) if version is not None]
        return list(dict.fromkeys(numbered + unnumbered))
