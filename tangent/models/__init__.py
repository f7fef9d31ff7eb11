"""Models: where they come from (`sources`), their families (`families`), how they are loaded."""
