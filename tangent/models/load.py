"""Loading models from a folder in open_clip's hub format.

Such a folder holds `open_clip_config.json` (architecture and preprocessing), the whole model, and
the image encoder by itself, because most steps need nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.errors import UserError
from tangent.files import read_json, read_safetensors

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG_FILE = "open_clip_config.json"
MODEL_FILE = "open_clip_model.safetensors"
ENCODER_FILE = "encoder.safetensors"

_PREPROCESSING = ("size", "mean", "std", "interpolation", "resize_mode", "fill_color")


def preprocess_config(folder: Path) -> dict[str, Any]:
    """Return open_clip's preprocessing settings of a model, without importing torch.

    Returns:
        `size` as (height, width), `mean` and `std` as three numbers each, `interpolation`,
        `resize_mode` and `fill_color`.

    Raises:
        UserError: the folder has no such file, or a setting is missing.
    """
    path = Path(folder) / CONFIG_FILE
    settings = _section(path, "preprocess_cfg")
    missing = [name for name in _PREPROCESSING if name not in settings]
    if missing:
        raise UserError(
            f"{path}: preprocess_cfg lacks {', '.join(missing)}. Run the step `pretrained` again."
        )
    chosen = {name: settings[name] for name in _PREPROCESSING}
    size = chosen["size"]
    chosen["size"] = (size, size) if isinstance(size, int) else tuple(size)
    chosen["mean"], chosen["std"] = tuple(chosen["mean"]), tuple(chosen["std"])
    return chosen


def load_model(folder: Path, device: str | torch.device = "cpu") -> nn.Module:
    """Load the whole CLIP model (image and text encoder) in evaluation mode, float32.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit the architecture (the
            message names the first key).
    """
    import open_clip

    folder = Path(folder)
    _section(folder / CONFIG_FILE, "model_cfg")
    if not (folder / MODEL_FILE).exists():
        raise UserError(f"{folder / MODEL_FILE} does not exist: run the step `pretrained`.")
    with quiet_root_logger():
        try:
            model = open_clip.create_model(f"local-dir:{folder}", device=device)
        except Exception as error:  # open_clip raises many types; each means an unusable folder
            raise UserError(
                f"{folder / MODEL_FILE} cannot be loaded with {CONFIG_FILE} beside it: "
                f"{_first_fault(error)}"
            ) from error
    return model.eval()


def load_tokenizer(folder: Path) -> Callable[..., torch.Tensor]:
    """Load the model's tokenizer: it maps texts to int64 [texts, context_length]."""
    import open_clip

    _section(Path(folder) / CONFIG_FILE, "model_cfg")
    return open_clip.get_tokenizer(f"local-dir:{folder}")


def load_encoder(
    folder: Path, weights: Path | None = None, device: str | torch.device = "cpu"
) -> nn.Module:
    """Load the image encoder f(·; θ) alone; the text encoder is never built.

    The encoder is in evaluation mode: the paper's models have no dropout, and where an architecture
    has it (or running statistics), task vectors are about parameters only.

    Args:
        folder: a model's folder, for the architecture.
        weights: state dict of the encoder; the default is the folder's own, θ0.
        device: where the parameters go.

    Returns:
        A module that maps images [batch, 3, height, width] to features [batch, d].

    Raises:
        UserError: a file is missing or damaged, or a key or shape does not fit.
    """
    import torch

    folder = Path(folder)
    path = Path(weights) if weights is not None else folder / ENCODER_FILE
    config = _section(folder / CONFIG_FILE, "model_cfg")
    tensors, _ = read_safetensors(path)
    with torch.device("meta"):
        encoder = _new_encoder(config)
    if set(dict(encoder.named_buffers())) - set(encoder.state_dict()):
        # Tables that no checkpoint holds (in some timm models) exist only in a real construction.
        encoder = _new_encoder(config)
    check_state(encoder.state_dict(), tensors, path)
    copies = {name: _as_loaded(value).to(device) for name, value in tensors.items()}
    encoder.load_state_dict(copies, strict=True, assign=True)
    return encoder.to(device).eval()


def random_encoder(folder: Path, seed: int) -> nn.Module:
    """Build the image encoder of a model's architecture at open_clip's random initialisation."""
    import torch

    config = _section(Path(folder) / CONFIG_FILE, "model_cfg")
    torch.manual_seed(seed)
    return _new_encoder(config).eval()


def check_state(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], path: Path
) -> None:
    """Compare a state dict from `path` with the architecture's.

    Raises:
        UserError: a key is missing, unexpected or of another shape; the first one is named.
    """
    problem = None
    for name, value in expected.items():
        if name not in found:
            problem = f"the key {name} is missing"
        elif found[name].shape != value.shape:
            problem = f"{name} has shape {list(found[name].shape)} and not {list(value.shape)}"
        if problem:
            break
    else:
        unexpected = next((name for name in found if name not in expected), None)
        problem = unexpected and f"the key {unexpected} is unexpected"
    if problem:
        raise UserError(
            f"{path} does not fit the model's architecture: {problem}. Give the weights of this "
            f"model's own image encoder, or check {CONFIG_FILE}."
        )


@contextmanager
def quiet_root_logger() -> Iterator[None]:
    """Keep open_clip's messages, which go to the root logger, out of the terminal.

    Without a handler there, `logging.error` would install one that prints everything from then on.
    """
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _new_encoder(config: Mapping[str, Any]) -> nn.Module:
    import open_clip

    vision = dict(config["vision_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False  # it would download other weights
    # The public constructor builds both encoders, so the text encoder gets the smallest size.
    return open_clip.CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=vision,
        text_cfg={"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1},
        quick_gelu=config.get("quick_gelu", False),
    ).visual


def _as_loaded(value: torch.Tensor) -> torch.Tensor:
    # safetensors maps the file into memory; a copy is aligned and independent of the file.
    return value.float().clone() if value.is_floating_point() else value.clone()


def _section(path: Path, name: str) -> dict[str, Any]:
    content = read_json(path)
    section = content.get(name) if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise UserError(f"{path}: {name} is missing; the file must be in open_clip's hub format.")
    return section


def _first_fault(error: Exception) -> str:
    """Return the first informative line of an error: load_state_dict's first says no key."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    chosen = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
    return chosen if len(chosen) <= 300 else chosen[:300] + " …"
