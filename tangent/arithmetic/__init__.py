"""Task vectors, linearized models, the choice of α, and the modes of a study."""
