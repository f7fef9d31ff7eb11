"""Data sets: sources, preparation (validation cut, checks, hashes), reading, preprocessing.

Nothing here imports torch before a function that needs it is called: steps that only read labels
start fast.
"""

from tangent.datasets.preparation import cut_validation, prepare
from tangent.datasets.preprocess import evaluation_images, normalize, resize_for_evaluation
from tangent.datasets.sources import Sizes, SourceData, locate, open_source
from tangent.datasets.split import SPLITS, Split, load_split

__all__ = [
    "SPLITS",
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
    "resize_for_evaluation",
]
