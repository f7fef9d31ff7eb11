"""Measuring one kind of pass: throughput and peak memory, on random images."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn

from tangent.arithmetic.linearized import linearize, parameters_of, stacked_jvp_features
from tangent.config.cost.model_sizes import architecture
from tangent.config.cost.passes import Pass
from tangent.config.cost.throughput import CPU, Measurement, known_gpus
from tangent.evaluation.features import attention_of_device
from tangent.jobs import provenance, runtime
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.kernels.gram import classifier, logit_gradients
from tangent.models.encoders import load_encoder
from tangent.models.families import config_path
from tangent.models.heads.head import TorchHead
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.training.forward_backward import ForwardBackward

CLASSES = 100
"""Of the head; the arithmetic of a head is nothing beside an encoder's."""


@dataclass(frozen=True)
class Setting:
    """What to measure.

    Attributes:
        folder: the model's, in open_clip's hub format.
        model: its name.
        kind: of the pass.
        device: where.
        threads: of the CPU.
        batch_size: images per pass.
        autocast: `bfloat16` or `none`.
        seconds: how long, after a warm-up.
    """

    folder: Path
    model: str
    kind: Pass
    device: str
    threads: int
    batch_size: int
    autocast: str
    seconds: float


def measure(setting: Setting) -> Measurement:
    """Run one kind of pass for a while.

    The passes are those of the pipeline; a training step also clips, and lets AdamW update.
    Reading and augmenting images are not in it.

    Raises:
        UserError: the model or the device cannot be used, or the kind is unknown.
    """
    device = runtime.setup(setting.threads, setting.device, seed=0)
    encoder = load_encoder(setting.folder, device=device)
    numbers = architecture(read_json(config_path(setting.folder))["model_cfg"])
    size = (setting.batch_size, 3, numbers.image_size, numbers.image_size)
    images = torch.randn(size, device=device)
    head = ZeroShotHead(torch.randn(CLASSES, numbers.embedding).numpy()).on(device)
    run = _passes(setting, encoder, head, images)
    with attention_of_device(device):
        seconds = _seconds_per_pass(run, setting, device)
    block = provenance.record([], {}, "")
    return Measurement(
        model=setting.model,
        parameters=numbers.encoder_parameters,
        flops=numbers.image_flops,
        device=_known_device(device),
        dtype="bfloat16" if setting.autocast == "bfloat16" else "float32",
        what=setting.kind,
        batch_size=setting.batch_size,
        images_per_second=_rounded(setting.batch_size / seconds),
        memory=_rounded(_peak_memory(device) / 1e9),
        date=date.today().isoformat(),
        commit=block["commit"] or "unknown",
        how=f"scripts.measure_throughput, {block['device']}, {setting.threads} threads, torch "
        f"{torch.__version__}",
    )


def _passes(
    setting: Setting, encoder: nn.Module, head: TorchHead, images: Tensor
) -> Callable[[], object]:
    """A function that computes one batch, of the kind to measure."""
    theta0 = parameters_of(encoder)
    device, is_autocast = images.device.type, setting.autocast == "bfloat16"
    if setting.kind == "forward":
        return lambda: _without_gradients(lambda: encoder(images), device, is_autocast)
    if setting.kind == "tangent":
        tau = {
            name: 0.01 * torch.randn(1, *value.shape).to(value) for name, value in theta0.items()
        }
        return lambda: _without_gradients(
            lambda: stacked_jvp_features(encoder, theta0, tau, images), device, is_autocast
        )
    if setting.kind == "gradient":
        f = classifier(encoder, head)
        return lambda: [None for _ in logit_gradients(f, theta0, images, [0])]
    if setting.kind not in ("standard step", "linear step"):
        raise UserError(f"nothing is known about passes of the kind {setting.kind!r}.")
    model = linearize(encoder) if setting.kind == "linear step" else encoder
    return _step(ForwardBackward(model, head, setting.autocast), images)


def _without_gradients(run: Callable[[], object], device: str, is_autocast: bool) -> object:
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=is_autocast):
        return run()


def _step(forward_backward: ForwardBackward, images: Tensor) -> Callable[[], object]:
    parameters = [value for value in forward_backward.model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.1, fused=True)
    labels = torch.randint(forward_backward.head.classes, (len(images),), device=images.device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        forward_backward(images, labels, 1 / len(images))
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()

    return step


def _seconds_per_pass(run: Callable[[], object], setting: Setting, device: torch.device) -> float:
    def timed(passes: int) -> float:
        started = _clock(setting, device)
        for _ in range(passes):
            run()
        return _clock(setting, device) - started

    timed(2)  # memory pools fill, kernels are chosen
    passes = max(1, round(setting.seconds / timed(1)))
    return timed(passes) / passes


def _clock(setting: Setting, device: torch.device) -> float:
    """Seconds: on a CPU those that the process's threads computed, so that others do not count."""
    if device.type == "cpu":
        return time.process_time() / setting.threads
    torch.cuda.synchronize(device)
    return time.monotonic()


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _known_device(device: torch.device) -> str:
    """Its name in gpus.yaml, or the driver's own name, to be replaced by a person."""
    if device.type == "cpu":
        return CPU
    name = torch.cuda.get_device_name(device)
    gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9
    fitting = [
        gpu
        for gpu in known_gpus().values()
        if gpu.name.split("-")[0] in name and abs(gpu.memory / gigabytes - 1) < 0.15
    ]
    return fitting[0].name if len(fitting) == 1 else name


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
