"""TODO pretraining."""
