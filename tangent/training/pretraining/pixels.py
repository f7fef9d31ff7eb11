"""Images as the demo's models read them."""

import numpy as np
import torch

MEAN, STD = 0.5, 0.25
PREPROCESSING = {
    "mean": [MEAN] * 3,
    "std": [STD] * 3,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [n, 32, 32, 3] to float32 [n, 3, 32, 32] as the model reads it."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
