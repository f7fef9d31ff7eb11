"""Copies on the Hugging Face hub: parquet shards, downloaded into the hub's cache."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tangent.data.sources.parquet import read_images
from tangent.data.sources.parquet_texts import read_texts
from tangent.data.sources.rows import Rows
from tangent.data.sources.source import Absent, Sizes, SourceData
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import sha256_file
from tangent.jobs.hub_cache import cached_file
from tangent.jobs.progress import Progress
from tangent.tasks.task_files import AnyTask

OPTIONS = ("repository", "revision", "folder", "train", "validation", "test")
KINDS = ("image", "text")
_SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.parquet")

# How the files of each kind of task are read.
_READERS = {"image": read_images, "text": read_texts}

logger = logging.getLogger("tangent")


def locate(
    task: AnyTask,
    sizes: Sizes,
    repository: str,
    revision: str,
    folder: str,
    train: str,
    validation: str | None,
    test: str,
) -> dict[str, Any]:
    """Download the shards of the wanted splits, or find them in the hub's cache.

    What is in the cache is not downloaded again, but compared with its SHA-256; without a network
    the cache is enough.

    Args:
        task: the task.
        sizes: expected sizes (not needed here).
        repository: the data set's name on the hub.
        revision: commit, tag or branch.
        folder: the folder of the parquet files in the repository.
        train: name of the training split; only shards `{split}-NNNNN-of-NNNNN.parquet` are taken.
        validation: name of the data set's own validation split; None if it has none.
        test: name of the test split.

    Returns:
        `commit`, `snapshot` (the local folder) and `files` (of each split, relative to it).

    Raises:
        Absent: the repository is gated, unknown or out of reach, and the cache has no copy.
        UserError: a split is not there, shards are missing or damaged, or a download stopped.
    """
    names = {"train": train, "validation": validation, "test": test}
    names = {split: name for split, name in names.items() if name is not None}
    snapshot = _download(repository, revision, folder, list(names.values()))
    there = _shards([path.name for path in (snapshot / folder).glob("*.parquet")])
    missing = [name for name in names.values() if name not in there]
    if missing:
        _explain_missing(repository, snapshot, folder, ", ".join(missing))
    files = {}
    for split, name in names.items():
        if len(there[name]) > 1:
            raise UserError(
                f"{snapshot / folder} has two sets of shards for {name}, such as "
                f"{' and '.join(shards[0] for shards in there[name])}: choose another revision."
            )
        files[split] = [(Path(folder) / shard).as_posix() for shard in there[name][0]]
    _verify([snapshot / file for shards in files.values() for file in shards])
    details = {"commit": snapshot.name, "snapshot": str(snapshot), "files": files}
    _read(task, details)
    return details


def open_copy(
    task: AnyTask, sizes: Sizes, details: Mapping[str, Any], **options: Any
) -> SourceData:
    """Open what `locate` found; the network is not used."""
    rows = _read(task, details)
    return SourceData(rows["train"], rows.get("validation"), rows["test"], rows["train"].classes)


def _read(task: AnyTask, details: Mapping[str, Any]) -> dict[str, Rows]:
    snapshot = Path(details["snapshot"])
    files = {
        split: [snapshot / file for file in files] for split, files in details["files"].items()
    }
    rows = _READERS[task.kind](task, files)
    for split, part in rows.items():
        where = f"{snapshot / details['files'][split][0]}"
        if part.classes != rows["train"].classes:
            raise UserError(f"{where}: the splits train and {split} name different classes.")
        if len(part) and part.labels.min() < 0:
            raise UserError(
                f"{where}: labels go down to {part.labels.min()}, so this split's labels are "
                "secret: choose one with labels (for ImageNet, validation)."
            )
    return rows


def _download(repository: str, revision: str, folder: str, splits: list[str]) -> Path:
    """The local folder with the shards of the splits; what is missing is downloaded."""
    from huggingface_hub import constants, errors, snapshot_download

    digits = "[0-9]" * 5
    start = "" if folder == "." else f"{folder}/"
    patterns = [f"{start}{split}-{digits}-of-{digits}.parquet" for split in splits]
    where = f"the data set {repository} on the Hugging Face hub"
    logger.info(
        "%s at %s: what %s lacks is downloaded", repository, revision, constants.HF_HUB_CACHE
    )
    try:
        return Path(
            snapshot_download(
                repository, repo_type="dataset", revision=revision, allow_patterns=patterns
            )
        )
    except errors.RevisionNotFoundError as error:
        raise Absent(f"{where} has no revision {revision!r}: correct the key revision") from error
    except errors.GatedRepoError as error:
        raise Absent(_needs_access(where, repository)) from error
    except errors.RepositoryNotFoundError as error:
        raise Absent(
            f"{where} does not exist, or is private: check the key repository, or log in by "
            "`hf auth login` or HF_TOKEN"
        ) from error
    except Exception as error:  # the client has a dozen exceptions for "no network" alone
        if _status(error) in (401, 403):
            raise Absent(_needs_access(where, repository)) from error
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise Absent(_out_of_reach(where, revision, error)) from error
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise UserError(
                f"{constants.HF_HUB_CACHE}: no space is left to download {repository}. Free some, "
                "or let HF_HOME name a folder on a larger disk, and run this again."
            ) from error
        raise UserError(
            f"the download of {repository} stopped ({first_line(error)}). Run this again: complete "
            "files are kept."
        ) from error


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


def _explain_missing(repository: str, snapshot: Path, folder: str, missing: str) -> None:
    """Say why splits have no complete set of shards: the repository's fault, or the cache's."""
    from huggingface_hub import HfApi

    try:
        everything = HfApi().list_repo_files(
            repository, repo_type="dataset", revision=snapshot.name
        )
    except Exception as error:  # as above
        raise Absent(
            f"{snapshot} lacks shards of {missing}, and the hub is out of reach "
            f"({first_line(error)}): run this once with a network"
        ) from error
    here = [file for file in everything if Path(file).parent == Path(folder)]
    there = _shards([Path(file).name for file in here])
    others = sorted({Path(file).parent.as_posix() for file in everything if _is_shard(file)})
    raise UserError(
        f"the data set {repository} on the Hugging Face hub ({snapshot.name}) has no complete set "
        f"of shards `{folder}/SPLIT-NNNNN-of-NNNNN.parquet` for: {missing}. Splits in this folder: "
        f"{', '.join(sorted(there)) or 'none'}; folders with shards: {', '.join(others) or 'none'}."
    )


def _is_shard(file: str) -> bool:
    return _SHARD.fullmatch(Path(file).name) is not None


def _needs_access(where: str, repository: str) -> str:
    return (
        f"{where} is gated: accept its conditions on https://huggingface.co/datasets/{repository}, "
        "then make your token known by `hf auth login` or the environment variable HF_TOKEN"
    )


def _out_of_reach(where: str, revision: str, error: Exception) -> str:
    from huggingface_hub import constants

    cause = error.__cause__
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else first_line(cause or error)
    return (
        f"{where} is out of reach ({reason}) and revision {revision} is not complete in "
        f"{constants.HF_HUB_CACHE}: check the network (and a proxy's settings), or download it "
        "once where there is a network and copy that folder here"
    )


def _status(error: BaseException | None) -> int | None:
    """The HTTP status of an error or of what caused it."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code
        error = error.__cause__
    return None
