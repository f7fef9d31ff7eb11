"""The raw results of a study; a missing or foreign file is answered with its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tangent.jobs import files
from tangent.jobs.errors import UserError


@dataclass(frozen=True)
class RawFiles:
    """Reads result files under `folder`, the study's results, and remembers them in `read`."""

    folder: Path
    read: set[Path] = field(default_factory=set)

    def json(self, rule: str, path: str) -> Result:
        """Read a JSON result that `rule` makes.

        Raises:
            UserError: the file is missing or not JSON.
        """
        return Result(self._read(rule, path, files.read_json), self.folder / path, rule)

    def csv(self, rule: str, path: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """Read a CSV result that `rule` makes and that has at least `columns`.

        Raises:
            UserError: the file is missing, empty, cut short or lacks a column.
        """
        rows = self._read(rule, path, files.read_csv)
        missing = [column for column in columns if not rows or column not in rows[0]]
        if missing:
            raise _foreign(self.folder / path, rule, f"the column {missing[0]!r}")
        return rows

    def _read(self, rule: str, path: str, read: Callable[[Path], Any]) -> Any:
        full = self.folder / path
        if not full.exists():
            raise UserError(
                f"{full} does not exist: the rule {rule} makes it. `snakemake --cores 2 tables` "
                "runs every rule that the tables need."
            )
        self.read.add(full)
        return read(full)


@dataclass(frozen=True)
class Result:
    """A JSON result; a key that it lacks is a `UserError` that names file and key."""

    content: Any
    path: Path
    rule: str

    def __getitem__(self, key: str) -> Any:
        try:
            value = self.content[key]
        except (KeyError, TypeError):
            raise _foreign(self.path, self.rule, f"the key {key!r}") from None
        return Result(value, self.path, self.rule) if isinstance(value, dict) else value


def _foreign(path: Path, rule: str, what: str) -> UserError:
    return UserError(
        f"{path} lacks {what}: it is empty, edited or of another version. Delete it and run the "
        f"rule {rule} again."
    )
