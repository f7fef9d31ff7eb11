"""What a folder layout is: the places of its parts below a root, and a function that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tangent.data.sources.source import Absent, SourceData
from tangent.jobs.errors import UserError


@dataclass(frozen=True)
class Layout:
    """A layout of one data set on disk.

    Attributes:
        parts: each part's places below the root; the first that is there is taken.
        read: opens the parts, given their paths.
        optional: names of parts that need not be there.
    """

    parts: Mapping[str, tuple[str, ...]]
    read: Callable[[Mapping[str, Path]], SourceData]
    optional: frozenset[str] = frozenset()

    def found(self, root: Path) -> dict[str, Path]:
        """The parts that are there."""
        places = {
            part: next((root / place for place in alternatives if (root / place).exists()), None)
            for part, alternatives in self.parts.items()
        }
        return {part: path for part, path in places.items() if path is not None}

    def places(self, root: Path) -> dict[str, Path]:
        """The path of every part.

        Raises:
            Absent: none of them is there.
            UserError: some are missing.
        """
        found = self.found(root)
        required = [part for part in self.parts if part not in self.optional]
        missing = [self.parts[part][0] for part in required if part not in found]
        if not set(found) & set(required):
            raise Absent(f"{root} has none of {', '.join(missing)}: put the data set there")
        if missing:
            raise UserError(
                f"{root} has only a part of the data set: beside {next(iter(found.values()))}, "
                f"these are missing: {', '.join(missing)}. Complete it, or move it out of the way."
            )
        return found
