"""What each task asks, as data: one YAML file per task, of an image task or a text task."""
