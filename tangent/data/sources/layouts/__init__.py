"""Folder layouts of the earlier code bases: where each data set is, and how it is read."""
