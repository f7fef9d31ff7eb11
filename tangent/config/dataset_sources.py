"""Where the images or texts of a task come from."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field

from tangent.data.sources.locating import DATA_SOURCES
from tangent.jobs.keys import PositiveInteger, Section

DatasetSource = Annotated[Union[*DATA_SOURCES.values()], Field(discriminator="source")]


class Dataset(Section):
    """Where a task's images or texts come from and how many there must be."""

    sources: Annotated[list[DatasetSource], Field(min_length=1)]
    """Places to look in, in this order; the first that has the data set is used."""
    train_images: Annotated[int, Field(ge=2)]
    """Images or texts of the training set, validation ones that are cut from it included. Another
    number found is an error."""
    validation_images: PositiveInteger | None = None
    """Images or texts of the data set's own validation split; none if it is cut from the training
    set. A copy without that split gets one by the section `validation`."""
    test_images: PositiveInteger
    """Images or texts of the test set. Another number found is an error."""
    order: Literal["content", "name", "source"] = "content"
    """Order of the rows before the validation split is drawn. `content`: by hash, so that every
    copy of a data set gives the same split; `name`: by file name; `source`: the copy's own."""
