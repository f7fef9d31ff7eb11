"""Pre-trained models: their families, heads and sources, and published fine-tuned weights."""
