"""Demo worlds: images and texts for pre-training, shifted tasks and a control task."""
