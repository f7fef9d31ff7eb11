"""Conversion of a published file to an encoder's state dict in our names, or the reason why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tangent.arithmetic.task_vector import TaskVector
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_metadata
from tangent.models.published.tensor_names import layout_of
from tangent.models.published.tensors import read_tensors
from tangent.models.state import check_state

# Largest accepted ‖θ* − θ0‖ / ‖θ0‖. Shapes cannot tell OpenAI's weights from LAION's, but weights
# that have nothing to do with θ0 are nearly orthogonal to it: then the distance is √(1 + r²) ≥ 1,
# where r is the ratio of the norms (1.4 for equal norms). Fine-tuning moves weights by a few
# hundredths; the demo's trainings, with 30 times the paper's learning rate, by 0.03 to 0.05.
LARGEST_DISTANCE = 0.5

_PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Checkpoint:
    """Published weights, checked and converted.

    Attributes:
        state: state dict of the encoder, θ*, in open_clip's names, float32.
        buffers: names in `state` that are no parameters, and so no part of a task vector.
        from_base: names in `state` that the file does not hold: they are θ0's, so τ = 0 there.
        layout: the kind of file.
        relative_distance: ‖θ* − θ0‖ / ‖θ0‖ over the parameters that the file holds.
    """

    state: dict[str, Tensor]
    buffers: list[str]
    from_base: list[str]
    layout: str
    relative_distance: float


def load_checkpoint(path: Path, encoder: nn.Module, base: str) -> Checkpoint:
    """Read published fine-tuned weights of an encoder.

    Args:
        path: safetensors or torch file with a transformers CLIP model, a whole open_clip model or
            an image encoder alone.
        encoder: f(·; θ0), which the weights were fine-tuned from.
        base: what messages call it (`describe_base`).

    Raises:
        UserError: the file is damaged or holds more than tensors; a key is missing, unexpected, of
            another shape, not floating-point or not finite; the weights were fine-tuned from
            another model, or they are θ0 itself.
    """
    tensors = read_tensors(path)
    layout = layout_of(tensors)
    theta0 = {name: value.detach() for name, value in encoder.state_dict().items()}
    origins = {name: layout.origin(name) for name in theta0}
    held = {name: origin for name, origin in origins.items() if origin is not None}
    expected = {
        theirs: part
        for name, origin in held.items()
        for theirs, part in origin.split(theta0[name]).items()
    }
    found = {name: value for name, value in tensors.items() if not layout.is_left_out(name)}
    check_state(expected, found, path)  # in the file's names, which the user can look up
    _check_numbers(expected, found, path)

    parameters = dict(encoder.named_parameters())
    published = {name: origin.join(found) for name, origin in held.items()}
    compared = {name: value for name, value in published.items() if name in parameters}
    state = {name: published.get(name, value) for name, value in theta0.items()}
    return Checkpoint(
        state={n: v.float() if v.is_floating_point() else v for n, v in state.items()},
        buffers=[name for name in state if name not in parameters],
        from_base=[name for name in state if name not in held],
        layout=layout.title,
        relative_distance=_checked_distance(compared, theta0, path, base),
    )


def describe_base(initial_encoder: Path) -> str:
    """Name a model as its encoder's file does: `ViT-B-32 (open_clip, ViT-B-32-quickgelu, openai)`.

    Raises:
        UserError: the file is missing or damaged.
    """
    about = read_metadata(initial_encoder)
    settings = json.loads(about.get("provenance", "{}")).get("settings", {})
    source = ", ".join(map(str, json.loads(settings.get("source", "{}")).values()))
    name = about.get("model", str(initial_encoder))
    return f"{name} ({source})" if source else name


def _check_numbers(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    for name, value in expected.items():
        if value.is_floating_point() and found[name].dtype not in _PRECISIONS:
            raise UserError(
                f"{path}: {name} holds {found[name].dtype}: give the weights as floating-point "
                "numbers of 16 bits or more, as they were before they were quantised."
            )
        if not torch.isfinite(found[name]).all():
            raise UserError(
                f"{path}: {name} holds NaN or infinity: the training diverged or the file is "
                "damaged; give other weights."
            )


def _checked_distance(
    published: Mapping[str, Tensor], theta0: Mapping[str, Tensor], path: Path, base: str
) -> float:
    """‖θ* − θ0‖ / ‖θ0‖, if it is that of weights fine-tuned from θ0."""
    # Compared in the file's precision: θ0 in float16 is θ0, not a fine-tuning of it.
    if all(torch.equal(value, theta0[name].to(value.dtype)) for name, value in published.items()):
        raise UserError(
            f"{path} holds the weights of {base} itself, not fine-tuned ones: give the file that "
            "the fine-tuning wrote."
        )
    start = {name: theta0[name] for name in published}
    distance = TaskVector.from_checkpoints(start, published).norm() / TaskVector(start).norm()
    if distance > LARGEST_DISTANCE:
        raise UserError(
            f"{path} was not fine-tuned from {base}: the relative distance ‖θ* − θ0‖ / ‖θ0‖ is "
            f"{distance:.2f}; of fine-tuned weights it is a few hundredths, of unrelated ones 1 or "
            f"more, and the limit is {LARGEST_DISTANCE}. Give weights that were fine-tuned from "
            "this model, or set the key pretrained to the model that they come from."
        )
    return distance
