"""Readers of the layouts of the earlier code bases, by how the files of a data set are kept."""
