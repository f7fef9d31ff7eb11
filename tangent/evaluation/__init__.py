"""The paper's evaluations, and the edited models that they ask for features."""
