"""Data sets: sources, preparation (order, validation cut, checks, cache), reading, preprocessing.

Nothing here imports torch before a function that needs it is called: steps that only read labels
start fast.
"""

from tangent.datasets.output import ImageForm
from tangent.datasets.preparation import Recipe, cut_validation, prepare
from tangent.datasets.preprocess import evaluation_images, normalize
from tangent.datasets.sources import Located, Sizes, SourceData, locate, open_source
from tangent.datasets.split import SPLITS, Split, load_split

__all__ = [
    "SPLITS",
    "ImageForm",
    "Located",
    "Recipe",
    "Sizes",
    "SourceData",
    "Split",
    "cut_validation",
    "evaluation_images",
    "load_split",
    "locate",
    "normalize",
    "open_source",
    "prepare",
]
