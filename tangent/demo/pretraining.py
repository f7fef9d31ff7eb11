"""Contrastive pre-training of the demo's CLIP from nothing (Radford et al., 2021, at a toy scale).

A batch repeats captions, unlike one of the web. So images are matched with the *distinct* captions
of their batch, and each caption with all of its images.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import SimpleTokenizer
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.compact_checkpoint import TOKEN_IDS
from tangent.demo.handwriting import TEST_IMAGES
from tangent.demo.world import CONTROL_TASK, TASKS, pretraining_data, render_task
from tangent.errors import UserError
from tangent.tasks import load_task

MEAN, STD = 0.5, 0.25
CONTEXT_LENGTH = 16
FULL_VOCABULARY = 49408
EMBED_DIM = 192
VISION = {"layers": 6, "width": 192, "head_width": 32, "patch_size": 8, "image_size": 32}
TEXT = {"context_length": CONTEXT_LENGTH, "width": 192, "heads": 6, "layers": 2}
_LARGEST_SCALE = math.log(100)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a pre-training, except versions and hardware.

    Raises:
        UserError: on a batch larger than the data, or less than one epoch or thread.
    """

    images: int = 200_000
    epochs: int = 7
    batch_size: int = 512
    learning_rate: float = 1e-3
    seed: int = 0
    threads: int = 2
    warmup_steps: int = 100
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        if not 2 <= self.batch_size <= self.images or self.epochs < 1 or self.threads < 1:
            raise UserError(
                f"pre-training needs a batch_size from 2 to the number of images ({self.images}), "
                f"and at least one epoch and thread; it got {self}."
            )

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run; an epoch's last, incomplete batch is left out."""
        return self.epochs * (self.images // self.batch_size)


@dataclass(frozen=True)
class LogRow:
    """State of the training after `step` steps; `seconds` since the first step began."""

    step: int
    loss: float
    learning_rate: float
    seconds: float


class Vocabulary:
    """open_clip's tokenizer over the tokens in use, renumbered from 0 in the same order.

    The order keeps the end-of-text token the largest, which is how open_clip finds it.
    """

    def __init__(self, texts: list[str]) -> None:
        self._tokenizer = SimpleTokenizer(context_length=CONTEXT_LENGTH)
        self.token_ids: torch.Tensor = self._tokenizer(texts).unique()

    def __len__(self) -> int:
        return len(self.token_ids)

    def encode(self, texts: list[str]) -> torch.Tensor:
        """Compact token numbers int64 [texts, context]."""
        return torch.searchsorted(self.token_ids, self._tokenizer(texts))


def prompts() -> list[str]:
    """Every prompt of the nine tasks' zero-shot heads."""
    names = (*TASKS, CONTROL_TASK)
    return [text for name in names for row in load_task(name).prompts() for text in row]


def build_model(vocab_size: int) -> CLIP:
    """Return an untrained model: 2.7 million parameters of the image encoder, 17 image tokens."""
    return CLIP(
        embed_dim=EMBED_DIM,
        vision_cfg=CLIPVisionCfg(**VISION),
        text_cfg=CLIPTextCfg(**TEXT, vocab_size=vocab_size),
    )


def open_clip_config() -> dict:
    """The model in open_clip's hub format, with the tokenizer's whole vocabulary."""
    return {
        "model_cfg": {
            "embed_dim": EMBED_DIM,
            "vision_cfg": VISION,
            "text_cfg": {**TEXT, "vocab_size": FULL_VOCABULARY},
        },
        "preprocess_cfg": {
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [n, 32, 32, 3] to float32 [n, 3, 32, 32] as the model reads it."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def contrastive_loss(logits: torch.Tensor, caption_of_image: torch.Tensor) -> torch.Tensor:
    """Mean of both directions' cross entropy, where several images may share a caption.

    Args:
        logits: scaled similarities [images, distinct captions].
        caption_of_image: int64 [images], the column of each image's caption.
    """
    to_caption = F.cross_entropy(logits, caption_of_image)
    matches = F.one_hot(caption_of_image, logits.shape[1]).T.to(logits.dtype)
    matches = matches / matches.sum(dim=1, keepdim=True)
    to_images = F.cross_entropy(logits.T, matches)
    return (to_caption + to_images) / 2


def pretrain(
    recipe: Recipe,
    report: Callable[[str], None],
    backup: Callable[[dict[str, torch.Tensor]], None] | None = None,
) -> tuple[CLIP, Vocabulary, list[LogRow]]:
    """Render the images, then train.

    Args:
        recipe: what to do.
        report: called with a line of text now and then.
        backup: called with the tensors of a compact checkpoint every 200 steps.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    started = time.monotonic()
    pixels, captions = pretraining_data(recipe.images, recipe.seed)
    distinct = sorted(set(captions))
    number = {text: index for index, text in enumerate(distinct)}
    caption_of_image = torch.tensor([number[text] for text in captions])
    vocabulary = Vocabulary(distinct + prompts())
    tokens = vocabulary.encode(distinct)
    report(
        f"{recipe.images} images, {len(distinct)} captions, {len(vocabulary)} tokens in "
        f"{time.monotonic() - started:.0f} s"
    )

    model = build_model(len(vocabulary))
    optimizer = _optimizer(model, recipe)
    rows: list[LogRow] = []
    started = time.monotonic()
    for step, chosen in enumerate(_batches(recipe)):
        learning_rate = _learning_rate(step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        used, inverse = caption_of_image[chosen].unique(return_inverse=True)
        # 17 tokens are too few for the fused kernel: its backward pass is slower than this one.
        with sdpa_kernel(SDPBackend.MATH):
            with torch.autocast("cpu", torch.bfloat16):
                images = model.encode_image(normalise(pixels[chosen.numpy()]), normalize=True)
                texts = model.encode_text(tokens[used], normalize=True)
            logits = model.logit_scale.exp() * images.float() @ texts.float().T
            loss = contrastive_loss(logits, inverse)
            optimizer.zero_grad()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=_LARGEST_SCALE)
        rows.append(LogRow(step + 1, loss.item(), learning_rate, time.monotonic() - started))
        if (step + 1) % 20 == 0:
            report(_progress(rows, recipe))
        if backup is not None and (step + 1) % 200 == 0:
            backup(checkpoint(model, vocabulary))
    return model, vocabulary, rows


def _batches(recipe: Recipe) -> Iterator[torch.Tensor]:
    """Indices [batch] of all steps: a fresh order each epoch, without its incomplete last batch."""
    for _ in range(recipe.epochs):
        order = torch.randperm(recipe.images)
        full = recipe.images // recipe.batch_size * recipe.batch_size
        yield from order[:full].split(recipe.batch_size)


def _optimizer(model: CLIP, recipe: Recipe) -> torch.optim.AdamW:
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warmup = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _progress(rows: list[LogRow], recipe: Recipe) -> str:
    recent = rows[-20:]
    loss = sum(row.loss for row in recent) / len(recent)
    speed = rows[-1].step * recipe.batch_size / rows[-1].seconds
    left = rows[-1].seconds / rows[-1].step * (recipe.steps - rows[-1].step)
    return (
        f"step {rows[-1].step}/{recipe.steps}  loss {loss:.3f}  {speed:.0f} images/s  "
        f"{left / 60:.1f} min left"
    )


def checkpoint(model: CLIP, vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    """The tensors of a compact checkpoint (see `tangent.compact_checkpoint`)."""
    tensors = {name: value.half() for name, value in model.state_dict().items()}
    return tensors | {TOKEN_IDS: vocabulary.token_ids}


@torch.no_grad()
def zero_shot_accuracies(
    model: CLIP, vocabulary: Vocabulary, images: int, seed: int
) -> dict[str, float]:
    """Zero-shot accuracy, in [0, 1], on fresh test images of each task and the control task.

    Args:
        model: over the compact vocabulary.
        vocabulary: of `model`.
        images: how many of each task (of digits, as many as there are at most).
        seed: of the images.
    """
    model.eval()
    accuracies = {}
    for name in (*TASKS, CONTROL_TASK):
        count = min(images, TEST_IMAGES) if name == "digits" else images
        pixels, labels = render_task(name, "test", count, seed)
        encoded = [
            model.encode_text(vocabulary.encode(row), normalize=True).mean(dim=0)
            for row in load_task(name).prompts()
        ]
        head = F.normalize(torch.stack(encoded), dim=-1)
        features = [model.encode_image(normalise(part)) for part in np.array_split(pixels, 8)]
        predicted = (torch.cat(features) @ head.T).argmax(dim=1).numpy()
        accuracies[name] = float((predicted == labels).mean())
    return accuracies
