"""Upload a folder of `snakemake export`, fine-tuned encoders or both to a repository of the hub.

Prints the `published` entries by which another site uses the encoders. An edited model has none:
it is no fine-tuning on one task.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from scripts import cli
from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from tangent.models.published.uploading import EntryKey

logger = logging.getLogger("tangent")


class Arguments(cli.Common):
    repository: str = cli.argument("model repository on the hub, owner/name; made if missing")
    export: Path | None = cli.argument("exported folder, for the top of the repository", None)
    encoders: list[Path] = cli.argument(
        "fine-tuned encoders, results/STUDY/finetuned/…/encoder.safetensors", []
    )
    visibility: Literal["private", "public"] = cli.argument("of the repository", "private")
    dry_run: bool = cli.argument("only list what would be uploaded; needs no token", False)


def run(arguments: Arguments) -> None:
    """List the files; unless it is a dry run upload them and print the entries."""
    import yaml

    from tangent.jobs.keys import REPOSITORY_PATTERN
    from tangent.models.published.uploading import entries, upload

    repository = arguments.repository
    if not re.fullmatch(REPOSITORY_PATTERN, repository):
        raise UserError(f"--repository must be owner/name, not {repository!r}.")
    if not (arguments.export or arguments.encoders):
        raise UserError("give --export, --encoders or both: there is nothing to upload.")
    encoders = _finetunings(arguments.encoders)
    files = _exported(arguments.export) if arguments.export else {}
    with TemporaryDirectory() as scratch:
        for of, path in encoders.items():
            files[of.file] = _without_provenance(path, Path(scratch, of.file))
        _list(files)
        where = f"{repository} ({arguments.visibility})"
        if arguments.dry_run:
            logger.info("without --dry-run these would be uploaded to %s", where)
            return
        commit = upload(repository, files, arguments.visibility == "private")
    logger.info("uploaded to %s, commit %s", where, commit)
    if encoders:
        print(yaml.safe_dump(entries(encoders, repository, commit), sort_keys=False), end="")


def _exported(folder: Path) -> dict[str, Path]:
    """The files of an exported folder, but hidden ones, which are Snakemake's."""
    if not ((folder / "README.md").is_file() and (folder / "heads").is_dir()):
        raise UserError(
            f"{folder} is no complete exported folder (README.md or heads/ is missing): give one "
            "that `snakemake export` wrote, results/STUDY/export/MODEL/MODE/VECTOR/seedN."
        )
    inside = ((path.relative_to(folder), path) for path in sorted(folder.rglob("*")))
    return {
        name.as_posix(): path
        for name, path in inside
        if path.is_file() and not any(part.startswith(".") for part in name.parts)
    }


def _finetunings(paths: list[Path]) -> dict[EntryKey, Path]:
    """What each file is of, as the step that trained it wrote."""
    from tangent.config.schema import RANDOM_SUFFIX
    from tangent.jobs.files import read_metadata
    from tangent.models.published.uploading import EntryKey

    found: dict[EntryKey, Path] = {}
    for path in paths:
        about = read_metadata(path)
        # Weights that others published have no seed, task vectors no buffers.
        if not about.keys() >= {*EntryKey._fields, "seed", "buffers"}:
            raise UserError(
                f"{path} is no encoder that was fine-tuned here: give files "
                "results/STUDY/finetuned/MODEL/TRAINING/TASK/seedN/encoder.safetensors."
            )
        of = EntryKey(*(about[name] for name in EntryKey._fields))
        if of.model.endswith(RANDOM_SUFFIX):
            raise UserError(
                f"{path} was fine-tuned from random weights, which no entry of published is for: "
                "leave it out."
            )
        if of in found:
            raise UserError(
                f"{found[of]} and {path} are both of {', '.join(of)}, and an entry of published "
                "has one file for all seeds: leave one out."
            )
        found[of] = path
    return found


def _without_provenance(path: Path, copy: Path) -> Path:
    """A copy that does not tell where files lie on this machine."""
    from tangent.jobs.files import read_safetensors, write_safetensors

    arrays, about = read_safetensors(path, framework="np")
    write_safetensors(copy, arrays, {n: v for n, v in about.items() if n != "provenance"})
    return copy


def _list(files: Mapping[str, Path]) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    for name, size in sizes.items():
        logger.info("%12d  %s", size, name)
    logger.info("%12d  bytes in all", sum(sizes.values()))
