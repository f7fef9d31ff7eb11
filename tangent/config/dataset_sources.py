"""Where the images or texts of a task come from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tangent.config.types import (
    Folder,
    Name,
    NaturalNumber,
    NonEmptyString,
    PositiveInteger,
    RepositoryId,
    Section,
)


class Source(Section):
    """What every source says.

    Attributes:
        gives: the kinds of tasks that it has data sets of.
    """

    gives: ClassVar[tuple[str, ...]] = ("image",)


class HubSource(Source):
    """A copy on the Hugging Face hub: Parquet files.

    Of images they have the columns `image` and `label`, of texts those that the task's file names.
    """

    gives: ClassVar[tuple[str, ...]] = ("image", "text")

    source: Literal["hub"] = Field(description="`hub`: the Hugging Face hub, or its local cache.")
    repository: RepositoryId = Field(description="Repository of the data set, `owner/name`.")
    revision: NonEmptyString = Field(
        description="Commit, tag or branch. A branch can move: the commit found is recorded in the "
        "data set's `dataset.json`; name that commit here to pin it."
    )
    folder: Folder = Field(default="data", description="Folder of the Parquet files.")
    train: Name = Field(default="train", description="Name of the training split's files.")
    validation: Name | None = Field(
        default=None, description="Name of the data set's own validation split, if it has one."
    )
    test: Name = Field(default="test", description="Name of the test split's files.")


class FolderSource(Source):
    """Files on this machine, in the layout that earlier code bases use (docs/datasets.md)."""

    source: Literal["folder"] = Field(description="`folder`: a folder of this machine.")
    root: Folder = Field(description="Folder that holds the data sets' own folders.")


class TorchvisionSource(Source):
    """Files in torchvision's layout, which torchvision can download for some data sets."""

    source: Literal["torchvision"] = Field(description="`torchvision`: torchvision's layout.")
    root: Folder = Field(description="Folder that holds the data sets' own folders.")
    download: bool = Field(description="Whether torchvision may download what is missing.")


class DemoSource(Source):
    """Images of the demo world, rendered or cut from images that dependencies carry."""

    source: Literal["demo"] = Field(description="`demo`: the demo world's own images.")
    seed: NaturalNumber = Field(description="Seed of the rendering. Not the study's seed.")


class DemoTextSource(Source):
    """Texts of the demo world, written by a grammar."""

    gives: ClassVar[tuple[str, ...]] = ("text",)

    source: Literal["demo_text"] = Field(description="`demo_text`: the demo world's own texts.")
    seed: NaturalNumber = Field(description="Seed of the texts. Not the study's seed.")


class JsonLinesSource(Source):
    """Texts on this machine: `ROOT/TASK/train.jsonl` and so on, a JSON object per line."""

    gives: ClassVar[tuple[str, ...]] = ("text",)

    source: Literal["json_lines"] = Field(description="`json_lines`: a folder of this machine.")
    root: Folder = Field(description="Folder that holds the data sets' own folders.")


class PackageSource(Source):
    """A selection of the real images that an optional package carries (docs/datasets.md)."""

    source: Literal["package"] = Field(description="`package`: images in an installed package.")
    seed: NaturalNumber = Field(description="Seed of the selection. Not the study's seed.")


class SyntheticSource(Source):
    """Noise around a pattern per class, in any size: to try a study out without its data.

    Its results mean nothing.
    """

    source: Literal["synthetic"] = Field(description="`synthetic`: made-up images.")
    height: PositiveInteger = Field(description="Height of the images in pixels.")
    width: PositiveInteger = Field(description="Width of the images in pixels.")
    seed: NaturalNumber = Field(description="Seed of the images. Not the study's seed.")


DatasetSource = Annotated[
    HubSource
    | FolderSource
    | TorchvisionSource
    | DemoSource
    | DemoTextSource
    | JsonLinesSource
    | PackageSource
    | SyntheticSource,
    Field(discriminator="source"),
]


class Dataset(Section):
    """Where a task's images or texts come from and how many there must be."""

    sources: Annotated[list[DatasetSource], Field(min_length=1)] = Field(
        description="Places to look in, in this order; the first that has the data set is used."
    )
    train_images: Annotated[int, Field(ge=2)] = Field(
        description="Images or texts of the training set, validation ones that are cut from it "
        "included. "
        "Another number found is an error."
    )
    validation_images: PositiveInteger | None = Field(
        default=None,
        description="Images or texts of the data set's own validation split; none if it is cut "
        "from the training set. A copy without that split gets one by the section `validation`.",
    )
    test_images: PositiveInteger = Field(
        description="Images or texts of the test set. Another number found is an error."
    )
    order: Literal["content", "name", "source"] = Field(
        default="content",
        description="Order of the rows before the validation split is drawn. `content`: by hash, "
        "so that every copy of a data set gives the same split; `name`: by file name; `source`: "
        "the copy's own.",
    )
