"""What a study costs before it is run: time on a GPU, memory, disk and downloads (docs/cost.md)."""
