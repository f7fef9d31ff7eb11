"""Registry of the kinds of heads, and their files.

A model's family says which kind its heads are of (`tangent.models.families`). Only `HEADS` knows
the kinds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors, write_safetensors
from tangent.models.heads.answers import AnswersHead
from tangent.models.heads.head import Head
from tangent.models.heads.probe import ProbeHead
from tangent.models.heads.zero_shot import ZeroShotHead

if TYPE_CHECKING:
    from tangent.tasks.task_files import AnyTask

HEADS: Registry[type[Head]] = {
    "zero_shot": ZeroShotHead,
    "probe": ProbeHead,
    "answers": AnswersHead,
}


def save_head(path: Path, head: Head, task: AnyTask, metadata: Mapping[str, str]) -> None:
    """Write a head with its kind, its task's name and classes in the metadata."""
    content = {"kind": head.kind, "task": task.name, "classes": json.dumps(task.classes)}
    write_safetensors(path, head.arrays(), {**content, **metadata})


def load_head(path: Path, kind: str | None = None) -> Head:
    """Read a head, which must be of a `kind` of `HEADS` (None takes any); needs no torch.

    Raises:
        UserError: the file is missing, cut short, not a head, or one of another kind.
    """
    arrays, metadata = read_safetensors(path, framework="np")
    found = metadata.get("kind")
    if found not in HEADS:
        raise UserError(
            f"{path} is not a head, or one of another version: delete it and run the step `heads` "
            "again."
        )
    if kind not in (None, found):
        raise UserError(
            f"{path} is a head of the kind {found}, but this model's heads are of the kind {kind}: "
            "give the head that was built for this model, or delete the file and run the step "
            "`heads` again."
        )
    return HEADS[found].from_arrays(arrays, path)
