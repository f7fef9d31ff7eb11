"""Fine-tuning of an image encoder under a frozen head, standard or in the tangent space."""
