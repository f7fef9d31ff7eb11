"""Registry of data set sources: from entries of the configuration to lazily decoded images.

`locate` finds the first configured source that is there, and downloads if it must; `open_source`
opens it without a network. A source is a module with `OPTIONS`, `locate` and `open_copy`.
"""

from tangent.data.sources.locating import Located, locate, open_source, read_located
from tangent.data.sources.rows import ArrayRows, FileRows, Rows
from tangent.data.sources.source import Absent, Sizes, SourceData

__all__ = [
    "Absent",
    "ArrayRows",
    "FileRows",
    "Located",
    "Rows",
    "Sizes",
    "SourceData",
    "locate",
    "open_source",
    "read_located",
]
