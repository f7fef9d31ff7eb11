"""From raw result files to tidy tables, the paper's tables and its claims; without torch."""
