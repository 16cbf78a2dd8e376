"""A secret's staging labels, read as a key ring."""

from collections.abc import Mapping, Sequence

from .key_number import number_of_label


class RingLabels:
    """What ``DescribeSecret`` says: which version each number names, and which is current."""

    __slots__ = ("current", "highest_number", "is_replica", "number_of", "previous", "stages", "version_of")

    def __init__(self, stages: Mapping[str, Sequence[str]], is_replica: bool = False) -> None:
        """``stages``: labels by VersionId."""
        self.stages = stages
        self.is_replica = is_replica
        """Whether it was read in a region that holds a replica, which may lag behind."""
        self.version_of: dict[int, str] = {}
        """The VersionId that each number names."""
        self.number_of: dict[str, int] = {}
        """The number of each numbered version; the lowest, where it has several."""
        self.current: str | None = None
        self.previous: str | None = None
        for version_id, labels in stages.items():
            for label in labels:
                if label == "AWSCURRENT":
                    self.current = version_id
                elif label == "AWSPREVIOUS":
                    self.previous = version_id
                number = number_of_label(label)
                if number is not None:
                    self.version_of[number] = version_id
                    self.number_of[version_id] = min(number, self.number_of.get(version_id, number))
        self.highest_number = max(self.version_of, default=0)

    def versions_in_use(self) -> list[str]:
        """Every version that may have encrypted: the numbered ones from the lowest on, then those without a number."""
        numbered = [self.version_of[number] for number in sorted(self.version_of)]
        unnumbered = [version for version in (self.previous, self.current) if version is not None]
        return list(dict.fromkeys(numbered + unnumbered))
