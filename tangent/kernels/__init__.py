"""The neural tangent kernel at θ0: Gram matrices, eigenfunctions, localization, proposition 1."""
