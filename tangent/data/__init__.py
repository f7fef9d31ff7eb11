"""Data sets: sources, preparation (order, validation cut, checks, cache), reading, preprocessing.

Nothing here imports torch before a function that needs it is called: steps that only read labels
start fast.
"""

from tangent.data.output import ImageForm
from tangent.data.preparation import Recipe, cut_validation, prepare
from tangent.data.preprocess import evaluation_images, normalize
from tangent.data.sources.locating import Located, locate, open_source
from tangent.data.sources.source import Sizes, SourceData
from tangent.data.split import SPLITS, Split, load_split

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
