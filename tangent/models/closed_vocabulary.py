"""timm's classifiers of images: the encoder is all but the last linear layer.

A model's configuration is, beside open_clip's `preprocess_cfg`,

    {"model_cfg": {"architecture": name, "model_args": {...}, "num_classes": classes}}

with timm's name of the architecture and what differs from it. `memory_format` may be there too:
`channels_last` for an encoder whose convolutions' weights lie so (`tangent.models.encoders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from torch import nn

CONFIG_FILE = "timm_config.json"
MODEL_FILE = "timm_model.safetensors"


def new_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The encoder of a configuration as timm initialises it: images to pooled features [batch, d].

    Raises:
        UserError: timm has no such architecture.
    """
    return new_model(config, classes=0)


def new_model(config: Mapping[str, Any], classes: int | None = None) -> nn.Module:
    """The same with its classifier: images to scores of its own classes, or of as many others."""
    import timm

    architecture = config["model_cfg"]
    try:
        return timm.create_model(
            architecture["architecture"],
            pretrained=False,
            num_classes=architecture["num_classes"] if classes is None else classes,
            **architecture["model_args"],
        )
    except RuntimeError as error:  # "Unknown model"
        raise UserError(
            f"timm has no architecture {architecture['architecture']!r}: delete the model's folder "
            "and run the step `pretrained` again with this version of timm."
        ) from error
