"""Preparing a data set that is held in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_data import TASK, Pictures

from tangent.data.output import ImageForm
from tangent.data.preparation import Recipe, prepare
from tangent.data.sources.source import SourceData


@pytest.fixture
def prepared(tmp_path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Prepare rows of TASK; returns the folder and the description."""

    def run(
        train: Pictures,
        test: Pictures,
        validation: Pictures | None = None,
        folder: str = "toy",
        classes: tuple[str, ...] | None = TASK.classes,
        **recipe: Any,
    ) -> tuple[Path, dict[str, Any]]:
        source = SourceData(train, validation, test, classes)
        form = ImageForm(recipe.pop("image_size", 16))
        settings = {"form": form, "fraction": 0.2, "threads": 2} | recipe
        return tmp_path / folder, prepare(TASK, source, Recipe(**settings), tmp_path / folder)

    return run
