"""Measure what `snakemake estimate` reckons with: entries for tangent/config/cost/measured.yaml.

python -m scripts.measure_throughput --pretrained-dir resources/pretrained/ViT-B-32 --device cuda
"""

from __future__ import annotations

import multiprocessing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import yaml

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Images per second and peak memory of every kind of pass, each in a process of its own."""

    pretrained_dir: Path = cli.argument("a model's folder, in open_clip's hub format")
    model: str | None = cli.argument("name of the model; the folder's if not given", None)
    device: str = cli.argument("cpu, cuda or cuda:<index>", "cpu")
    threads: int = cli.argument("CPU threads", 1)
    training_batch_size: int = cli.argument("images per training step", 128)
    evaluation_batch_size: int = cli.argument("images per pass of evaluations", 128)
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of the trainings", "bfloat16")
    evaluation_autocast: Literal["bfloat16", "none"] = cli.argument(
        "precision of features and products", "none"
    )
    seconds: float = cli.argument("how long to measure each kind, after a warm-up", 20.0)
    kinds: list[str] = cli.argument(
        "kinds of passes", ["forward", "tangent", "gradient", "standard step", "linear step"]
    )


def run(arguments: Arguments) -> None:
    """Print one YAML entry per kind."""
    from tangent.config.cost.measuring import Setting, measure

    name = arguments.model or arguments.pretrained_dir.name
    for kind in arguments.kinds:
        is_training = kind.endswith("step")
        setting = Setting(
            folder=arguments.pretrained_dir,
            model=name,
            kind=kind,
            device=arguments.device,
            threads=arguments.threads,
            batch_size=arguments.training_batch_size
            if is_training
            else arguments.evaluation_batch_size,
            autocast=arguments.autocast if is_training else arguments.evaluation_autocast,
            seconds=arguments.seconds,
        )
        # A process of its own: peak memory is that of its whole life.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            entry = pool.apply(measure, (setting,))
        print(
            yaml.safe_dump([asdict(entry)], sort_keys=False, allow_unicode=True), end="", flush=True
        )


if __name__ == "__main__":
    cli.main(Arguments, run)
