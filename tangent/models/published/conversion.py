"""From a published file to an encoder's state dict in our names, or to the reason why not.

- Files with open_clip's own names hold a whole CLIP model, or its image encoder alone.
- Those of Hugging Face's transformers (CLIPVisionModel, CLIPVisionModelWithProjection, CLIPModel)
  keep query, key and value apart and transpose the projection. A CLIPVisionModel has none at all.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tangent.arithmetic.task_vector import TaskVector
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_metadata
from tangent.models.encoders import check_state
from tangent.models.published.tensors import read_tensors

# Largest accepted ‖θ* − θ0‖ / ‖θ0‖. Shapes cannot tell OpenAI's weights from LAION's, but weights
# that have nothing to do with θ0 are nearly orthogonal to it: then the distance is √(1 + r²) ≥ 1,
# where r is the ratio of the norms (1.4 for equal norms). Fine-tuning moves weights by a few
# hundredths; the demo's trainings, with 30 times the paper's learning rate, by 0.03 to 0.05.
LARGEST_DISTANCE = 0.5
# Of one tensor the same holds; those trainings moved matrices by 0.16 at most, and scaled no tensor
# by more than 8 %.
LARGEST_SCALING = 0.25

_PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Everything of a CLIP model but the image encoder: the text encoder, the logit scale, and constants
# that OpenAI's own files hold. The head is the base model's, so nothing reads them.
_NOT_VISUAL = re.compile(
    r"(transformer|ln_final|token_embedding|text)\..*"
    r"|positional_embedding|text_projection(\.weight|\.bias)?|logit_scale|logit_bias|attn_mask"
    r"|input_resolution|context_length|vocab_size"
)
_PROJECTION = "visual_projection.weight"  # transposed
_MARKS = ("embeddings.", "encoder.layers.")
_ENCODER = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre": "pre_layrnorm",  # (sic)
    "ln_post": "post_layernorm",
}
_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_IN_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
# The text encoder of a CLIPModel.
_TEXT = re.compile(r"text_model\..*|text_projection\.weight|logit_scale")


class TensorNames(NamedTuple):
    """The names of one kind of file.

    Attributes:
        title: the kind, for people.
        names_of: from a name of the encoder to the names of the file's tensors that make it up,
            joined along their first dimension; none if such a file does not hold it.
        is_left_out: whether a name of the file is known to be no part of the image encoder.
    """

    title: str
    names_of: Callable[[str], list[str]]
    is_left_out: Callable[[str], bool]

    def split(self, name: str, value: Tensor) -> dict[str, Tensor]:
        """The file's tensors for the encoder's tensor `name`."""
        names = self.names_of(name)
        if len(names) > 1:
            return dict(zip(names, value.chunk(len(names)), strict=True))
        return {theirs: value.T if theirs == _PROJECTION else value for theirs in names}

    def join(self, name: str, tensors: Mapping[str, Tensor]) -> Tensor:
        """The encoder's tensor `name`, from the file's."""
        first, *others = self.names_of(name)
        if others:
            return torch.cat([tensors[theirs] for theirs in (first, *others)])
        return tensors[first].T.contiguous() if first == _PROJECTION else tensors[first]


class PublishedCheckpoint(NamedTuple):
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


def load_checkpoint(path: Path, encoder: nn.Module, base: str) -> PublishedCheckpoint:
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
    expected: dict[str, Tensor] = {}
    for name, value in theta0.items():
        expected |= layout.split(name, value)
    found = {name: value for name, value in tensors.items() if not layout.is_left_out(name)}
    check_state(expected, found, path)  # in the file's names, which the user can look up
    _check_numbers(expected, found, path)

    parameters = dict(encoder.named_parameters())
    held = [name for name in theta0 if layout.names_of(name)]
    published = {name: layout.join(name, found) for name in held}
    compared = {name: value for name, value in published.items() if name in parameters}
    state = {name: published.get(name, value) for name, value in theta0.items()}
    distance = _checked_distance(compared, theta0, path, base)
    for theirs in (theirs for name in compared for theirs in layout.names_of(name)):
        if problem := _of_another_origin(expected[theirs].double(), found[theirs].double()):
            raise UserError(
                f"{path}: {theirs} {problem} what it is in {base}, which no fine-tuning does: the "
                "file was converted wrongly, or is damaged; give what the fine-tuning wrote."
            )
    return PublishedCheckpoint(
        state={n: v.float() if v.is_floating_point() else v for n, v in state.items()},
        buffers=[name for name in state if name not in parameters],
        from_base=[name for name in state if name not in held],
        layout=layout.title,
        relative_distance=distance,
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


def _of_another_origin(start: Tensor, end: Tensor) -> str | None:
    """How a tensor differs from θ0's if fine-tuning did not make it of that; None if it may have.

    The relative distance of all weights together hardly tells one tensor among hundreds.
    """
    if start.numel() < 2 or not start.any():
        return None
    if not end.any():
        return "holds zeros, unlike"
    change = (end - start).norm()
    if start.dim() == 2 and start.shape == start.T.shape and (end - start.T).norm() < change / 2:
        return "is the transpose of"
    scale = (start * end).sum() / start.square().sum()
    if abs(scale - 1) > LARGEST_SCALING and (end - scale * start).norm() < change / 4:
        return f"is {scale:.2g} times"
    if start.dim() > 1 and change > LARGEST_DISTANCE * start.norm():
        return f"has a relative distance of {change / start.norm():.2f} to"
    return None


def layout_of(names: Collection[str]) -> TensorNames:
    """The layout of a file with tensors of these names.

    Versions of transformers before 5 write a CLIPVisionModel's names with the prefix
    `vision_model.`, version 5 without; the other two have it in all versions.
    """
    for prefix in ("vision_model.", ""):
        if any(name.startswith(prefix + mark) for name in names for mark in _MARKS):
            return _hugging_face(prefix, _PROJECTION in names)
    if any(name.startswith("visual.") for name in names):
        return TensorNames(
            "open_clip model",
            lambda name: [f"visual.{name}"],
            lambda name: bool(_NOT_VISUAL.fullmatch(name)),
        )
    return TensorNames("open_clip image encoder", lambda name: [name], lambda name: False)


def _hugging_face(prefix: str, has_projection: bool) -> TensorNames:
    def names_of(name: str) -> list[str]:
        if name == "proj":
            return [_PROJECTION] if has_projection else []
        if (block := _IN_BLOCK.fullmatch(name)) is None:
            module, _, kind = name.rpartition(".")
            theirs = _ENCODER.get(name) or f"{_ENCODER.get(module, module)}.{kind}"
            return [prefix + theirs]
        number, module, kind = block.groups()
        parts = [_BLOCK.get(module, module)]
        if module == "attn.in_proj":
            parts = [f"self_attn.{part}_proj" for part in "qkv"]
        return [f"{prefix}encoder.layers.{number}.{part}.{kind}" for part in parts]

    def is_left_out(name: str) -> bool:
        # Position ids are a table 0, 1, 2, … that older versions stored.
        return name == f"{prefix}embeddings.position_ids" or bool(_TEXT.fullmatch(name))

    return TensorNames("Hugging Face CLIP", names_of, is_left_out)
