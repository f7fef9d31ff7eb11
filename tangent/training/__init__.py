"""Fine-tuning under a frozen head, standard or linear; pre-training of demo models."""
