"""Memory for images that are kept from one pass to the next; no result depends on it; no torch."""

IMAGE_BYTES = {"cpu": 2**30, "cuda": 16 * 2**30}
"""By device, at most."""

GPU_SHARE = 8
"""Of a GPU's memory, an eighth: weights and task vectors must fit too, and jobs may share it."""


def image_budget(device: str, gpu_memory: float) -> int:
    """Bytes for kept images on `cpu` or `cuda`; the latter has `gpu_memory` bytes."""
    budget = IMAGE_BYTES[device]
    return min(budget, int(gpu_memory // GPU_SHARE)) if device == "cuda" else budget
