"""Surroundings of any job: errors, files, progress, records, fingerprints, locks, GPUs."""
