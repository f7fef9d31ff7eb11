"""Registry of data set sources: from an entry of the configuration to decoded images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tangent.sources import Source, call


@dataclass(frozen=True)
class SourceData:
    """What a source gives: the official training and test set, decoded.

    Attributes:
        train: images uint8 [n, height, width, 3] and labels int64 [n]; validation is cut from it.
        test: the same for the test set. The source is responsible for a test set that shares no
            image with the training set.
        classes: number of classes that the labels stand for.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: int


def load_source(task: str, entry: Mapping[str, Any]) -> SourceData:
    """Get a task's images from their source.

    Args:
        task: name of the task.
        entry: its value under the configuration's key `datasets`.

    Raises:
        UserError: unknown source, missing or unknown option, or whatever the source finds wrong.
    """
    return call(SOURCES, entry, f"datasets.{task}", task)


def _demo(task: str, train_images: int, test_images: int, seed: int) -> SourceData:
    """Rendered and bundled images of the demo world."""
    from tangent.demo.world import render_task
    from tangent.tasks import load_task

    return SourceData(
        train=render_task(task, "train", train_images, seed),
        test=render_task(task, "test", test_images, seed),
        classes=len(load_task(task).classes),
    )


SOURCES = {"demo": Source(_demo, ("train_images", "test_images", "seed"))}
