"""Keys of YAML files: strict, closed and frozen mappings, and the types of what they hold."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
# Paths become parts of commands and of Snakemake's patterns.
PATH_PATTERN = r"^[\w./+@%=,:-]+$"
TEXT_PATTERN = r"^[^\x00-\x1f\x7f]*$"
REPOSITORY_PATTERN = r"^[\w.-]+/[\w.-]+$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Folder = Annotated[str, Field(pattern=PATH_PATTERN)]
NonEmptyString = Annotated[str, Field(min_length=1, pattern=TEXT_PATTERN)]
# Bounds beyond which a number can only be a slip: a study would not end, or not fit anywhere.
PositiveInteger = Annotated[int, Field(ge=1, le=10**9)]
NaturalNumber = Annotated[int, Field(ge=0, le=10**9)]
Epochs = Annotated[int, Field(ge=1, le=10**5)]
Points = Annotated[int, Field(ge=2, le=1001)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # numpy's and scikit-learn's generators take no more
LearningRate = Annotated[float, Field(gt=0, le=1)]  # a step of Adam moves each weight by as much
Number = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
ShareOfOne = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
Names = Annotated[list[Name], Field(min_length=1)]
RepositoryId = Annotated[str, Field(pattern=REPOSITORY_PATTERN)]


def _count_or_all(value: Any, validate: Any) -> Any:
    """One message for both alternatives; pydantic has one for each."""
    try:
        return validate(value)
    except ValidationError:
        message = "must be a whole number of at least 1, or `all`"
        raise PydanticCustomError("count_or_all", message) from None


CountOrAll = Annotated[PositiveInteger | Literal["all"], WrapValidator(_count_or_all)]


class Section(BaseModel):
    """A mapping of the configuration file; the text below each key explains it."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
        defer_build=True,  # most sections are only ever part of the whole
    )
