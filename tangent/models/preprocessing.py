"""The preprocessing of images that a model's configuration describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json

_KEYS = ("size", "mean", "std", "interpolation", "resize_mode", "fill_color")


def image_preprocessing(path: Path) -> dict[str, Any]:
    """open_clip's preprocessing settings from the configuration file `path`.

    Returns:
        `size` as (height, width), `mean` and `std` as three numbers each, `interpolation`,
        `resize_mode` and `fill_color`.

    Raises:
        UserError: the file is unreadable, or a setting is missing.
    """
    content = read_json(path)
    settings = content.get("preprocess_cfg", {}) if isinstance(content, dict) else {}
    missing = [name for name in _KEYS if name not in settings]
    if missing:
        raise UserError(
            f"{path}: preprocess_cfg lacks {', '.join(missing)}. Run the step `pretrained` again."
        )
    chosen = {name: settings[name] for name in _KEYS}
    size = chosen["size"]
    chosen["size"] = (size, size) if isinstance(size, int) else tuple(size)
    chosen["mean"], chosen["std"] = tuple(chosen["mean"]), tuple(chosen["std"])
    return chosen
