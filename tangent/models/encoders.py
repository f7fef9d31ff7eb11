"""Encoders of a model's folder, of whatever family, and state dicts that must fit them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors
from tangent.models.families import ENCODER_FILE, family_of, model_config

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def load_encoder(
    folder: Path, weights: Path | None = None, device: str | torch.device = "cpu"
) -> nn.Module:
    """Load the encoder f(·; θ) alone; what else the model has (a text tower) is never built.

    The encoder is in evaluation mode: the paper's models have no dropout, and where an architecture
    has it (or running statistics), task vectors are about parameters only.

    Args:
        folder: a model's folder, for the architecture.
        weights: state dict of the encoder; the default is the folder's own, θ0.
        device: where the parameters go.

    Returns:
        A module that maps inputs, such as images [batch, 3, height, width], to features [batch, d].

    Raises:
        UserError: a file is missing or damaged, or a key or shape does not fit.
    """
    import torch

    path = Path(weights or Path(folder) / ENCODER_FILE)
    new_encoder, config = family_of(folder).new_encoder, model_config(folder)
    tensors, _ = read_safetensors(path)
    with torch.device("meta"):
        encoder = new_encoder(config)
    if set(dict(encoder.named_buffers())) - set(encoder.state_dict()):
        # Tables that no checkpoint holds (in some timm models) exist only in a real construction.
        encoder = new_encoder(config)
    check_state(encoder.state_dict(), tensors, path)
    # safetensors maps the file into memory; a copy is aligned and independent of the file.
    copies = {
        name: (value.float() if value.is_floating_point() else value).clone().to(device)
        for name, value in tensors.items()
    }
    encoder.load_state_dict(copies, strict=True, assign=True)
    if config["model_cfg"].get("memory_format") == "channels_last":
        encoder = encoder.to(memory_format=torch.channels_last)
    return encoder.to(device).eval()


def random_encoder(folder: Path, seed: int) -> nn.Module:
    """Build the encoder of a model's architecture at its library's random initialisation.

    Its family's constants are the pre-trained model's: in table 3 only the weights θ0 differ.

    Raises:
        UserError: as `load_encoder`; the weights are read only if there are constants.
    """
    import torch

    family = family_of(folder)
    torch.manual_seed(seed)
    encoder = family.new_encoder(model_config(folder))
    if family.constants:
        pretrained = load_encoder(folder).state_dict()
        encoder.load_state_dict({name: pretrained[name] for name in family.constants}, strict=False)
    return encoder.eval()


def check_state(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Compare a state dict from `path` with the architecture's.

    Raises:
        UserError: a key is missing, unexpected or of another shape; the first one is named, with
            the nearest that the other side has alone.
    """
    missing, unexpected = expected.keys() - found.keys(), found.keys() - expected.keys()
    for name in {**expected, **found}:
        if name not in found:
            problem = f"the key {name} is missing{_nearest(name, unexpected, 'it holds')}"
        elif name not in expected:
            problem = f"the key {name} is unexpected{_nearest(name, missing, 'it lacks')}"
        elif (shape := list(found[name].shape)) != (needed := list(expected[name].shape)):
            problem = f"{name} has shape {shape} and not {needed}"
        else:
            continue
        raise UserError(
            f"{path} does not fit the model's architecture: {problem}. Give the weights of this "
            f"model's own encoder, or check its configuration file."
        )


def _nearest(name: str, others: Collection[str], verb: str) -> str:
    near = difflib.get_close_matches(name, sorted(others), n=2, cutoff=0.5)
    return f" ({verb} {' and '.join(near)})" if near else ""
