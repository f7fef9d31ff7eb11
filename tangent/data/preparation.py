"""Preparation: from a source to checked splits on disk, decoded once (docs/protocol.md, "Data").

Two passes: the first decodes the rows that are needed, hashes them and checks everything that later
steps rely on; the second decodes them again in the order of the files and writes them. So memory
holds digests and never a split, and nothing is written before it is known to be right and to fit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tangent.data.examined import Member, Official
from tangent.data.sources.source import SourceData
from tangent.data.split import SPLITS, split_path
from tangent.data.validation import held_out
from tangent.jobs.errors import UserError
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import AnyTask, first_of

if TYPE_CHECKING:
    from tangent.data.output import ImageForm
    from tangent.data.tokens import TextForm

logger = logging.getLogger("tangent")

# Splits are part of the protocol: this seed is not the study's.
VALIDATION_SEED = 0
# Official data sets hold a few examples twice; more than these are a leak between the splits.
LARGEST_SHARED_SHARE = 0.005


class Recipe(NamedTuple):
    """How a data set is prepared.

    Attributes:
        form: what examples are prepared as.
        order: of the rows before validation examples are drawn: `content` sorts by row digest,
            `name` by file name, `source` keeps the source's.
        duplicates: whether too many examples in two official splits are an error (`refuse`), or a
            line in the log (`warn`).
        has_validation: the data set has a validation split of its own.
        fraction: else, the share of the training images to hold out, rounded down …
        maximum: … and the largest number of them.
        splits: which splits are wanted.
        threads: decode so many images at a time; no result depends on it.
    """

    form: ImageForm | TextForm
    order: str = "content"
    duplicates: str = "refuse"
    has_validation: bool = False
    fraction: float = 0.1
    maximum: int = 5000
    splits: tuple[str, ...] = SPLITS
    threads: int = 1


def cut_validation(n: int, fraction: float, maximum: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the validation images (`held_out`): torch's `random_split` with a generator seeded 0.

    Returns:
        Indices of the remaining training images [n - k] and of the validation images [k], both
        int64, in the order drawn.

    Raises:
        UserError: nothing would be left on one side.
    """
    import torch

    k = held_out(n, fraction, maximum)
    if not 0 < k < n:
        raise UserError(
            f"a training set of {n} images gives {k} validation images (validation.fraction "
            f"{fraction}, validation.maximum {maximum}), but at least one image must be on each "
            "side: take more images or another fraction."
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(VALIDATION_SEED)).numpy()
    return order[: n - k], order[n - k :]


def prepare(task: AnyTask, source: SourceData, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write the splits of a task into a folder, checked; none is left behind if one fails.

    Returns:
        What dataset.json says of them: `classes_checked`, `validation`, `shared` (examples that two
        splits share), `geometry`, `order`, and `splits` (number of examples, digest, bytes).

    Raises:
        UserError: there is no such split, labels are not the task's, a class has no training
            example, one is unreadable, two splits share some, the disk is full.
    """
    what = f"the data set {task.name}"
    for name in recipe.splits:
        split_path(folder, name)  # refuses any other name

    official = {}
    for name in SPLITS:
        if (rows := getattr(source, name)) is not None:
            labels = _labels(task, source.classes, rows.labels, f"{what}, {name}")
            official[name] = Official(name, rows, labels, task.kind)
    if source.classes is None:
        logger.info("%s names no classes: that its labels are in our order is unchecked", what)
    validation = "cut from train" if source.validation is None else "the source's own"
    if recipe.has_validation and source.validation is None:
        validation += ": this copy has none of its own"
        logger.info("%s: this copy has no validation split, so it is cut from train", what)
    if "train" in recipe.splits:
        _check_classes(task, official["train"], what)
    members = _members(official, recipe, what)
    if recipe.order != "content":  # else all have been
        for member in members.values():
            member.official.examine(member.rows, recipe.threads, what)
    shared = _shared_examples(members, task.name, recipe.duplicates)
    written = recipe.form.write(task, members, folder, recipe.threads, what)
    return {
        "classes_checked": source.classes is not None,
        "validation": validation,
        "shared": shared,
        "geometry": recipe.form.describe(),
        "order": recipe.order,
        "splits": {
            name: {"n": len(member), "sha256": member.content_sha256, **written[name]}
            for name, member in members.items()
        },
    }


def _labels(
    task: AnyTask, classes: tuple[str, ...] | None, labels: np.ndarray, where: str
) -> np.ndarray:
    count = len(task.classes) if classes is None else len(classes)
    if labels.min() < 0 or labels.max() >= count:
        raise UserError(
            f"{where}: labels go from {labels.min()} to {labels.max()}, but there are {count} "
            f"classes, so they must go from 0 to {count - 1}. Do the class names "
            f"({task.place}) belong to this data set?"
        )
    return labels if classes is None else match_labels(task, classes)[labels]


def _members(official: Mapping[str, Official], recipe: Recipe, what: str) -> dict[str, Member]:
    """Return the wanted splits; what none of them needs is not decoded."""
    cut: dict[str, np.ndarray] = {}
    if "validation" not in official:
        n = len(official["train"].rows)
        parts = cut_validation(n, recipe.fraction, recipe.maximum)
        cut = dict(zip(("train", "validation"), parts, strict=True))
    sources = {name: "train" if name in cut else name for name in recipe.splits}
    ordered = {
        of: official[of].ordered(recipe.order, recipe.threads, what)
        for of in dict.fromkeys(sources.values())
    }
    return {
        name: Member(official[of], ordered[of][cut.get(name, slice(None))])
        for name, of in sources.items()
    }


def _check_classes(task: AnyTask, train: Official, what: str) -> None:
    missing = np.setdiff1d(np.arange(len(task.classes)), train.labels)
    if len(missing):
        names = first_of([repr(task.classes[index]) for index in missing])
        raise UserError(
            f"{what}: no training {train.noun} is of class {names}. Is the copy complete, "
            f"and of this data set? A smaller selection needs more {train.noun}s."
        )


def _shared_examples(members: Mapping[str, Member], task: str, duplicates: str) -> dict[str, int]:
    """Count the examples that two splits share; too many are refused, unless they are accepted.

    What a validation split shares with those that it was cut from are twins that the data set
    itself has: they are counted only.
    """
    hashes = {name: [row.tobytes() for row in m.of("contents")] for name, m in members.items()}
    shared = {}
    for first, second in combinations(members, 2):
        noun = members[first].official.noun
        of_first = set(hashes[first])
        both = [row for row, content in enumerate(hashes[second]) if content in of_first]
        count = len(both)
        shared[f"{first}, {second}"] = count
        is_cut = members[first].official is members[second].official
        found = (
            f"the data set {task}: {count} of the {len(hashes[second])} {second} {noun}s are also "
            f"{first} {noun}s"
        )
        is_leak = not is_cut and count > LARGEST_SHARED_SHARE * len(hashes[second])
        if is_leak and duplicates == "refuse":
            one = members[second].official.rows.name(members[second].rows[both[0]])
            raise UserError(
                f"{found} (equal SHA-256), such as {one}, so accuracies would be too high. Remove "
                "the duplicates from the source, choose a source with clean splits, or, if the "
                f"data set is known to be so, accept it by `datasets.{task}.duplicates: warn`."
            )
        if count:
            logger.warning("%s%s", found, ", so accuracies may be too high" if is_leak else "")
    return shared
