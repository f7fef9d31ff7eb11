"""Throughputs that estimates are made of: entries for tangent/config/cost/measured.yaml.

python -m bench.throughput --pretrained-dir resources/pretrained/ViT-B-32 --device cuda
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Literal, get_args

import torch
import yaml

from bench.harness import Setting
from bench.linear_step import step_of
from bench.subjects import Subject
from scripts import cli
from tangent.arithmetic.linearized import parameters_of, stacked_jvp_features
from tangent.config.cost.model_sizes import architecture
from tangent.config.cost.throughput import CPU, Measurement, Pass, known_gpus
from tangent.evaluation.features import attention_of_device
from tangent.jobs import provenance, runtime
from tangent.jobs.errors import UserError
from tangent.kernels.gram import LogitGradients, classifier

KINDS = [kind for kind in get_args(Pass) if kind != "text"]


class Arguments(cli.Common):
    """Print the images per second of every kind of pass, as entries of measured.yaml."""

    pretrained_dir: Path = cli.argument("a model's folder, in open_clip's hub format")
    device: str = cli.argument("cpu or cuda", "cpu")
    threads: int = cli.argument("CPU threads", 1)
    batch_size: int = cli.argument("images per pass", 128)
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of the matrix products", "none")
    seconds: float = cli.argument("how long to measure each kind, after a warm-up", 20.0)
    kinds: list[str] = cli.argument("kinds of passes", KINDS)


def run(arguments: Arguments) -> None:
    """Print one YAML entry per kind.

    Raises:
        UserError: the model or the device cannot be used, or a kind is unknown.
    """
    for kind in arguments.kinds:
        entry = asdict(measure(arguments, kind))
        print(yaml.safe_dump([entry], sort_keys=False, allow_unicode=True), end="", flush=True)


def measure(arguments: Arguments, kind: str) -> Measurement:
    """Run one kind of pass for a while, on random images: reading and augmenting are not in it.

    The passes are those of the pipeline; a training step also clips, and lets AdamW update.
    """
    device = runtime.setup(arguments.threads, arguments.device, seed=0)
    setting = Setting(device.type, arguments.threads, images_per_step=arguments.batch_size)
    subject = Subject(arguments.pretrained_dir, setting)
    numbers = architecture(subject.config)
    passes = _passes(subject, kind, arguments.batch_size, arguments.autocast)
    with attention_of_device(device):
        seconds = setting.seconds_per_run(passes, arguments.seconds)
    block = provenance.record([], {}, "")
    return Measurement(
        model=subject.folder.name,
        parameters=numbers.encoder_parameters,
        flops=numbers.image_flops,
        device=_known_device(device),
        dtype="bfloat16" if arguments.autocast == "bfloat16" else "float32",
        what=kind,
        batch_size=arguments.batch_size,
        images_per_second=float(f"{arguments.batch_size / seconds:.3g}"),
        date=date.today().isoformat(),
        commit=block["commit"] or "unknown",
        how=f"bench.throughput, {block['device']}, {arguments.threads} threads, torch "
        f"{torch.__version__}",
    )


def _passes(subject: Subject, kind: str, batch_size: int, autocast: str) -> Callable[[], object]:
    """A function that computes one batch, of the kind to measure."""
    if kind not in KINDS:
        raise UserError(f"nothing is known about passes of the kind {kind!r}.")
    if kind.endswith(" step"):
        return step_of(subject, kind.removesuffix(" step"), autocast)
    encoder, images = subject.encoder(), subject.batch(batch_size)
    theta0 = parameters_of(encoder)
    if kind == "gradient":
        gradients = LogitGradients(classifier(encoder, subject.head()), theta0)
        return lambda: [None for _ in gradients.chunks(images, [0])]
    tau = subject.task_vectors(1)

    def without_gradients() -> object:
        is_autocast = autocast == "bfloat16"
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, is_autocast):
            if kind == "forward":
                return encoder(images)
            return stacked_jvp_features(encoder, theta0, tau, images)

    return without_gradients


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


if __name__ == "__main__":
    cli.main(Arguments, run)
