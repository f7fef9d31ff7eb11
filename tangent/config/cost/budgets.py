"""Memory budgets of jobs: the configuration's, or their device's default; no torch."""

from typing import Literal

from tangent.config.schema import Config
from tangent.evaluation.product_passes import DIRECTION_BYTES
from tangent.kernels.kernel_cost import GRADIENT_BYTES

DEFAULTS = {"kernels": GRADIENT_BYTES, "products": DIRECTION_BYTES}


def budget(config: Config, what: Literal["kernels", "products"], device: str) -> int:
    """Bytes for `compute.memory.kernels` or `products` on a device, `cpu` or `cuda`."""
    return given_budget(config, what) or DEFAULTS[what][device]


def given_budget(config: Config, what: Literal["kernels", "products", "images"]) -> int | None:
    """Bytes that a key of `compute.memory` says; None where the device decides."""
    gibibytes = getattr(config.compute.memory, what)
    return None if gibibytes is None else max(1, int(gibibytes * 2**30))
