"""Tables from raw result files: tidy ones, the paper's, and its claims; without torch."""
