"""What surrounds any job: errors, files, progress, records, fingerprints, locks, GPUs."""
