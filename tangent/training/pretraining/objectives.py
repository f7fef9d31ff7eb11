"""Registry of the objectives of pre-training, a module each.

An objective's module has a dataclass `Recipe` (a subclass of `recipe.Recipe`), and
`prepare(recipe)`, which makes the examples and the untrained model: a `steps.Objective`.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from tangent.training.pretraining.recipe import Recipe

WEIGHTS_FILE = "model.safetensors"
OBJECTIVES = {
    "contrastive": (WEIGHTS_FILE, "open_clip_config.json"),
    "supervised": (WEIGHTS_FILE, "timm_config.json"),
    "text": (WEIGHTS_FILE, "t5_config.json", "tokenizer.json"),
}
"""What a recipe's key `objective` may say: the name of its module, with the files of its models."""


def load_objective(name: str) -> ModuleType:
    """The module of objective `name`.

    Raises:
        UserError: there is no such objective.
    """
    if name not in OBJECTIVES:
        raise UserError(f"unknown objective {name!r}: the objectives are {', '.join(OBJECTIVES)}.")
    return importlib.import_module(f"{__package__}.{name}")


def read_recipe(text: str) -> tuple[ModuleType, Recipe]:
    """The module of a recipe's objective, and the recipe as that module has it.

    Args:
        text: an entry of the configuration's key `pretraining`, as JSON.

    Raises:
        UserError: it is none: the objective is unknown, or a key.
    """
    try:
        options = dict(json.loads(text))
        module = load_objective(options.pop("objective", None))
        return module, module.Recipe(**options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{text} is no recipe of a pre-training: {error}.") from error


def step_of(folder: Path) -> int:
    """After how many steps the model in a folder `step<N>` is kept.

    Raises:
        UserError: the folder has another name.
    """
    number = folder.name.removeprefix("step")
    if not number.isdecimal():
        raise UserError(f"{folder} must be named step<N>, by the number of steps.")
    return int(number)
