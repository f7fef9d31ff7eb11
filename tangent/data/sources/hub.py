"""Copies on the Hugging Face hub: parquet shards, downloaded into the hub's cache."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from tangent.data.sources.parquet import ParquetRows, class_names, opened, read_texts
from tangent.data.sources.source import Absent, Rows, Sizes, Source, SourceData
from tangent.jobs.errors import UserError, first_line, is_full_disk
from tangent.jobs.files import sha256_file
from tangent.jobs.hub_cache import cached_file, no_space
from tangent.jobs.keys import Folder, Name, NonEmptyString, RepositoryId
from tangent.jobs.progress import Progress
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import AnyTask

_DIGITS = "[0-9]" * 5
_SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.parquet")

logger = logging.getLogger("tangent")


class Hub(Source):
    """A copy on the Hugging Face hub: Parquet files.

    Of texts they have the columns that the task's file names.
    """

    gives: ClassVar[tuple[str, ...]] = ("image", "text")

    source: Literal["hub"]
    """`hub`: the Hugging Face hub, or its local cache."""
    repository: RepositoryId
    """Repository of the data set, `owner/name`."""
    revision: NonEmptyString
    """Commit, tag or branch. A branch can move: the commit found is recorded in the data set's
    `dataset.json`; name that commit here to pin it."""
    folder: Folder = "data"
    """Folder of the Parquet files."""
    train: Name = "train"
    """Name of the training split's files."""
    validation: Name | None = None
    """Name of the data set's own validation split, if it has one."""
    test: Name = "test"
    """Name of the test split's files."""
    image: NonEmptyString = "image"
    """Column of the images."""
    label: NonEmptyString = "label"
    """Column of the labels of images, whole numbers."""
    labels: list[NonEmptyString] = []
    """Names of the labels of images from 0 on, in place of those in the files. A task that has no
    file has these classes."""

    @property
    def names_classes(self) -> bool:
        return bool(self.labels)

    def class_names(self, name: str) -> tuple[str, ...]:
        return tuple(self.labels)

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Download the shards of the wanted splits, or find them in the hub's cache.

        Only shards `{split}-NNNNN-of-NNNNN.parquet` are taken. What is in the cache is not
        downloaded again, but compared with its SHA-256; without a network the cache is enough.
        The first shard comes alone: if its class names are not the task's, no other is fetched.

        Returns:
            `commit`, `snapshot` (the local folder) and `files` (of each split, relative to it).

        Raises:
            Absent: the repository is gated, unknown or out of reach, and the cache has no copy.
            UserError: a split is not there, shards are missing or damaged, a download stopped, or
                class names are not the task's.
        """
        from huggingface_hub import constants

        names = {"train": self.train, "validation": self.validation, "test": self.test}
        names = {split: name for split, name in names.items() if name is not None}
        logger.info(
            "%s at %s: what %s lacks is downloaded",
            *(self.repository, self.revision, constants.HF_HUB_CACHE),
        )
        self._check_class_names(task)
        snapshot = self._download(f"{name}-{_DIGITS}" for name in names.values())
        there = _shards([path.name for path in (snapshot / self.folder).glob("*.parquet")])
        missing = [name for name in names.values() if name not in there]
        if missing:
            self._explain_missing(snapshot, ", ".join(missing))
        files = {}
        for split, name in names.items():
            if len(there[name]) > 1:
                raise UserError(
                    f"{snapshot / self.folder} has two sets of shards for {name}, such as "
                    f"{' and '.join(shards[0] for shards in there[name])}: choose another revision."
                )
            files[split] = [(Path(self.folder) / shard).as_posix() for shard in there[name][0]]
        _verify([snapshot / file for shards in files.values() for file in shards])
        details = {"commit": snapshot.name, "snapshot": str(snapshot), "files": files}
        self._read(task, details)
        return details

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found; the network is not used."""
        rows = self._read(task, details)
        return SourceData.of(rows, rows["train"].classes)

    def _read(self, task: AnyTask, details: Mapping[str, Any]) -> dict[str, Rows]:
        snapshot = Path(details["snapshot"])
        files = {
            split: [snapshot / file for file in files] for split, files in details["files"].items()
        }
        if task.kind == "text":
            rows: dict[str, Any] = read_texts(task, files)
        else:
            columns, names = (self.image, self.label), tuple(self.labels)
            rows = {split: ParquetRows(shards, *columns, names) for split, shards in files.items()}
        _check_labels(rows, files)
        return rows

    def _check_class_names(self, task: AnyTask) -> None:
        """Compare those in the training set's first shard, which is downloaded, with the task's."""
        first = f"{self.train}-00000"
        snapshot = self._download([first])
        for file in (snapshot / self.folder).glob(f"{first}-of-{_DIGITS}.parquet"):
            with opened(file) as content:
                column = task.label if task.kind == "text" else self.label
                names = class_names(file, content.schema_arrow, column)
            if names is not None and not self.labels:
                match_labels(task, names)

    def _download(self, shards: Iterable[str]) -> Path:
        """The local folder with the shards `{shard}-of-NNNNN`; what is missing is downloaded."""
        from huggingface_hub import snapshot_download

        start = "" if self.folder == "." else f"{self.folder}/"
        patterns = [f"{start}{shard}-of-{_DIGITS}.parquet" for shard in shards]
        try:
            found = snapshot_download(
                self.repository,
                repo_type="dataset",
                revision=self.revision,
                allow_patterns=patterns,
            )
        except Exception as error:  # the client has a dozen exceptions for "no network" alone
            raise self._why_not(error) from error
        return Path(found)

    def _why_not(self, error: Exception) -> Exception:
        """What to tell of a download that failed: there is no copy, or it was stopped."""
        from huggingface_hub import constants, errors

        where = f"the data set {self.repository} on the Hugging Face hub"
        if is_full_disk(error):
            return no_space(where)
        if isinstance(error, errors.RevisionNotFoundError):
            return Absent(f"{where} has no revision {self.revision!r}: correct the key revision")
        is_gated = isinstance(error, errors.GatedRepoError)
        if isinstance(error, errors.RepositoryNotFoundError) and not is_gated:
            return Absent(
                f"{where} does not exist, or is private: check the key repository, or log in by "
                "`hf auth login` or HF_TOKEN"
            )
        if is_gated or _status(error) in (401, 403):
            return Absent(
                f"{where} is gated: accept its conditions on https://huggingface.co/datasets/"
                f"{self.repository}, then make your token known by `hf auth login` or the "
                "environment variable HF_TOKEN"
            )
        if isinstance(error, errors.LocalEntryNotFoundError):
            is_offline = constants.HF_HUB_OFFLINE
            reason = "HF_HUB_OFFLINE is set" if is_offline else first_line(error.__cause__ or error)
            return Absent(
                f"{where} is out of reach ({reason}) and revision {self.revision} is not complete "
                f"in {constants.HF_HUB_CACHE}: check the network (and a proxy's settings), or "
                "download it once where there is a network and copy that folder here"
            )
        return UserError(
            f"the download of {self.repository} stopped ({first_line(error)}). Run this again: "
            "complete files are kept."
        )

    def _explain_missing(self, snapshot: Path, missing: str) -> None:
        """Say why splits have no complete set of shards: the repository's fault, or the cache's."""
        from huggingface_hub import HfApi

        try:
            everything = HfApi().list_repo_files(
                self.repository, repo_type="dataset", revision=snapshot.name
            )
        except Exception as error:  # as above
            raise Absent(
                f"{snapshot} lacks shards of {missing}, and the hub is out of reach "
                f"({first_line(error)}): run this once with a network"
            ) from error
        shards = [path for path in map(Path, everything) if _SHARD.fullmatch(path.name)]
        there = _shards([path.name for path in shards if path.parent == Path(self.folder)])
        folders = sorted({path.parent.as_posix() for path in shards})
        raise UserError(
            f"the data set {self.repository} on the Hugging Face hub ({snapshot.name}) has no "
            f"complete set of shards `{self.folder}/SPLIT-NNNNN-of-NNNNN.parquet` for: {missing}. "
            f"Splits in this folder: {', '.join(sorted(there)) or 'none'}; folders with shards: "
            f"{', '.join(folders) or 'none'}."
        )


def _check_labels(rows: Mapping[str, Rows], files: Mapping[str, list[Path]]) -> None:
    for split, part in rows.items():
        where = files[split][0]
        if part.classes != rows["train"].classes:
            raise UserError(f"{where}: the splits train and {split} name different classes.")
        if len(part) and part.labels.min() < 0:
            raise UserError(
                f"{where}: labels go down to {part.labels.min()}, so this split's labels are "
                "secret: choose one with labels (for ImageNet, validation)."
            )


def _verify(files: list[Path]) -> None:
    """Compare files of the client's cache with the SHA-256 that the hub announced."""
    with Progress("check the files' SHA-256", len(files), "file") as progress:
        for file in files:
            blob, announced = cached_file(file)
            if announced is not None and sha256_file(blob) != announced:
                raise UserError(
                    f"{file} has another SHA-256 than on the hub, so it is damaged: delete {blob} "
                    "and run this again, which downloads it anew."
                )
            progress.update()


def _shards(names: list[str]) -> dict[str, list[list[str]]]:
    """The complete sets of shards among file names, by split; shards in order."""
    sets: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names):
        if found := _SHARD.fullmatch(name):
            sets.setdefault((found["split"], found["total"]), []).append(name)
    splits: dict[str, list[list[str]]] = {}
    for (split, total), shards in sets.items():
        if len(shards) == int(total):
            splits.setdefault(split, []).append(shards)
    return splits


def _status(error: BaseException | None) -> int | None:
    """The HTTP status of an error or of what caused it."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code
        error = error.__cause__
    return None
