"""Published fine-tuned weights in place of a training of our own."""
