"""Costs of a study before it is run: time on a GPU, memory, disk and downloads (docs/cost.md)."""
