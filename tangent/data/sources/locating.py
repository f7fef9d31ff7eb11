"""Registry of data-set sources, and the first that is there: they are tried in configured order."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tangent.data.sources.demo_images import DemoImages
from tangent.data.sources.demo_texts import DemoTexts
from tangent.data.sources.folder import LayoutFolder
from tangent.data.sources.from_torchvision import Torchvision
from tangent.data.sources.hub import Hub
from tangent.data.sources.json_lines import JsonLines
from tangent.data.sources.own_files import ClassFolders, ImageTables
from tangent.data.sources.package_images import PackageImages
from tangent.data.sources.source import Absent, Contents, Sizes, Source, SourceData
from tangent.data.sources.synthetic import Synthetic
from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.jobs.sources import described
from tangent.tasks.task_files import AnyTask, general_task, load_task, own_task, task_names

DATA_SOURCES: Registry[type[Source]] = {
    "hub": Hub,
    "class_folders": ClassFolders,
    "csv": ImageTables,
    "folder": LayoutFolder,
    "torchvision": Torchvision,
    "demo": DemoImages,
    "demo_text": DemoTexts,
    "json_lines": JsonLines,
    "package": PackageImages,
    "synthetic": Synthetic,
}
"""By the value of an entry's key `source`."""

logger = logging.getLogger("tangent")


@dataclass(frozen=True)
class Located:
    """The copy of a data set that a study uses.

    Attributes:
        entry: its source, as configured.
        details: where its files are; what is in here depends on the source.
        skipped: sources before it that were not there, each with the reason.
    """

    entry: dict[str, Any]
    details: dict[str, Any]
    skipped: list[str]


def task_of(name: str, file: str | None, sources: Sequence[Source]) -> AnyTask:
    """A task as its `file` describes it, ours, or with the names that a source has for its classes.

    Raises:
        UserError: the description is wrong, or there is none.
    """
    if file is not None:
        return own_task(name, file)
    skipped: list[str] = []
    for source in sources if name not in task_names() else ():
        if source.names_classes:
            try:
                return general_task(source.gives[0], name, source.class_names(name))
            except Absent as reason:
                skipped.append(str(reason))
    if skipped:
        raise UserError("; ".join(skipped))
    return load_task(name)


def contents(name: str, sources: Sequence[Source]) -> Contents | None:
    """What the first source that is there has, of those that can be listed; None: none of them can.

    Raises:
        Absent: none of them is there.
        UserError: one is there but wrong.
    """
    skipped: list[str] = []
    for source in sources:
        try:
            if found := source.contents(name):
                return found
        except Absent as reason:
            skipped.append(str(reason))
    if skipped:
        raise Absent("; ".join(skipped))
    return None


def locate(task: AnyTask, entries: Sequence[Mapping[str, Any]], sizes: Sizes) -> Located:
    """Find the first of a task's sources that is there, in their order; this may download.

    Raises:
        UserError: no source is there (each is listed with its remedy), or one is there but wrong.
    """
    skipped: list[str] = []
    for number, entry in enumerate(entries):
        key = f"datasets.{task.name}.sources[{number}]"
        source = described(DATA_SOURCES, entry, key)
        try:
            details = source.locate(task, sizes)
        except Absent as reason:
            skipped.append(f"{key} ({entry['source']}): {reason}.")
            logger.info("skipped %s", skipped[-1])
            continue
        logger.info("%s is taken from %s: %s", task.name, key, json.dumps(dict(entry)))
        return Located(dict(entry), details, skipped)
    lines = [f"- {line}" for line in skipped]
    raise UserError(f"the data set {task.name} is in none of its sources:", *lines)


def open_source(task: AnyTask, located: Located, sizes: Sizes) -> SourceData:
    """Open the copy that `locate` found. The network is not used.

    Raises:
        UserError: files are missing or damaged, or a split has another size than expected.
    """
    key = f"datasets.{task.name}.sources"
    source = described(DATA_SOURCES, located.entry, key)
    data = source.open_copy(task, sizes, located.details)
    if sizes.validation is None:
        data = replace(data, validation=None)
    for split, expected in vars(sizes).items():
        rows = getattr(data, split)
        if rows is not None and len(rows) != expected:
            raise UserError(
                f"the {split} set of {task.name} from {json.dumps(located.entry)} has {len(rows)} "
                f"examples, not {expected} (datasets.{task.name}.{split}_images). Complete this "
                "copy or choose another source; change the number only for another data set."
            )
    return data


def read_located(path: str | Path) -> Located:
    """Read the file that scripts/locate_dataset.py writes; anything else is a `UserError`."""
    content = read_json(path)
    try:
        return Located(content["entry"], content["details"], content["skipped"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} does not say where a data set is: delete it and run the step `data_source` "
            "again."
        ) from error
