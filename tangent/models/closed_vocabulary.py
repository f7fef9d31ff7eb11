"""timm's classifiers of images: the encoder is all but the last linear layer.

A model's configuration is, beside open_clip's `preprocess_cfg`,

    {"model_cfg": {"architecture": name, "model_args": {...}, "num_classes": classes}}

with timm's name of the architecture and what differs from it. `memory_format` may be there too:
`channels_last` for an encoder whose convolutions' weights lie so (`tangent.models.encoders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

CONFIG_FILE = "timm_config.json"
MODEL_FILE = "timm_model.safetensors"


def new_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The encoder of a configuration as timm initialises it: images to pooled features [batch, d].

    Raises:
        UserError: timm has no such architecture.
    """
    return _create(config, num_classes=0)


def new_model(config: Mapping[str, Any]) -> nn.Module:
    """The same with its classifier: images to scores of its own classes."""
    return _create(config, num_classes=config["model_cfg"]["num_classes"])


def own_classifier(path: Path, encoder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Weight [classes, d] and bias [classes] of the classifier that a model was pre-trained with.

    It is what the file `path` of the whole model has and the one of its encoder alone has not.

    Raises:
        UserError: a file is missing or damaged, or the model has no linear classifier with a bias.
    """
    whole, _ = read_safetensors(path, framework="np")
    rest = whole.keys() - read_safetensors(encoder, framework="np")[0].keys()
    others = {name.rpartition(".")[2]: whole[name] for name in rest}
    if len(rest) != 2 or set(others) != {"weight", "bias"} or others["weight"].ndim != 2:
        raise UserError(
            f"{path} has no linear classifier of its own: remove the model from the config key "
            "probe.own_classifier, and a probe is fitted."
        )
    return others["weight"], others["bias"]


def _create(config: Mapping[str, Any], num_classes: int) -> nn.Module:
    import timm

    architecture = config["model_cfg"]
    try:
        return timm.create_model(
            architecture["architecture"],
            pretrained=False,
            num_classes=num_classes,
            **architecture["model_args"],
        )
    except RuntimeError as error:  # "Unknown model"
        raise UserError(
            f"timm has no architecture {architecture['architecture']!r}: delete the model's folder "
            "and run the step `pretrained` again with this version of timm."
        ) from error
