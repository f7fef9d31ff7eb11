"""TODO layouts."""
