"""The paper's ViT-B-32 column on one GPU: seconds per stage, data preparation not counted.

python -m bench.study --device cuda                  the true sizes
python -m bench.study --device cuda --images 2000 --steps 200     a share of them, in minutes

Random weights and synthetic images take the place of the real ones: times are the same, numbers
mean nothing. Runs through Snakemake; started again, it continues.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.paper_counts import study
from bench.tables import Table, markdown
from scripts import cli

TARGETS = ("table1", "table2", "figure2", "figure3", "figure5", "figure6")
GOAL = 30 * 60  # seconds on an H200
# Height and width of a typical original; larger ones are kept in 256 pixels anyway.
ORIGINALS = {
    "cars": (300, 400), "dtd": (300, 400), "eurosat": (64, 64), "gtsrb": (48, 48),
    "mnist": (28, 28), "resisc45": (256, 256), "sun397": (300, 400), "svhn": (32, 32),
    "imagenet": (300, 400),
}  # fmt: skip

logger = logging.getLogger("tangent")


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Run tables 1 and 2 and figures 2, 3, 5, 6 of one model, and tell where the time went."""

    device: Literal["cpu", "cuda"] = cli.argument("where to run", "cuda")
    cores: int = cli.argument("CPU cores for Snakemake", 16)
    gpu_jobs: int = cli.argument("jobs that share the GPU at a time", 4)
    base: str = cli.argument("the study", "configs/paper-vit-b-32.yaml")
    images: int | None = cli.argument("images per split at most; the true sizes if not given", None)
    steps: int | None = cli.argument("steps per training, about; the paper's if not given", None)
    folder: Path = cli.argument("for the configuration and the data", Path("resources/bench"))
    output: Path | None = cli.argument("file for the table, in Markdown", None)
    targets: list[str] = cli.argument("what to make", list(TARGETS))


def run(arguments: Arguments) -> None:
    """Prepare the data, run the study, print the table."""
    content = overlay(arguments)
    path = arguments.folder / f"{content['study']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    _snakemake(["data"], path, arguments)
    started = time.monotonic()
    _snakemake(arguments.targets, path, arguments)
    seconds = time.monotonic() - started
    benchmarks = Path("results", content["study"], "benchmarks")
    text = markdown(table(content, stage_seconds(benchmarks), seconds))
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


def overlay(arguments: Arguments) -> dict[str, Any]:
    """The study's configuration, a file over the base."""
    paper = study(arguments.base)
    entry = paper.pretrained[paper.models[0]].model_dump()
    if entry["source"] == "open_clip":
        entry = {key: entry[key] for key in ("name", "image_size")} | {"source": "random"}
        entry |= {"seed": 0}
    model = f"{paper.models[0]}-bench"
    share = f"-{arguments.images or 'all'}-{arguments.steps or 'all'}"
    content: dict[str, Any] = {
        "extends": arguments.base,
        "study": f"bench{share}",
        "models": [model],
        "paths": {"resources": f"{arguments.folder}/study{share}"},
        "compute": {"device": arguments.device},
        "pretrained": {model: entry},
        "datasets": {
            name: _dataset(paper, name, arguments.images) for name in (*paper.tasks, paper.control)
        },
        "disentanglement": {"models": [model]},
        "eigenfunctions": {"models": [model]},
        "combinations": {"models": [model] if paper.combinations.models else []},
        "random_initialization": {"models": []},  # table 3
    }
    if arguments.images is not None:
        _shrink(content, paper, arguments.images)
    if arguments.steps is not None:
        content["finetuning"] = content.get("finetuning", {}) | {
            "epochs": {task: _epochs(content, paper, task, arguments.steps) for task in paper.tasks}
        }
    return content


def _dataset(paper: Any, name: str, images: int | None) -> dict[str, Any]:
    true = paper.datasets[name].model_dump(
        include={"train_images", "validation_images", "test_images"}, exclude_none=True
    )
    if name == paper.control:
        # Validation images are cut from it, and no others are read.
        needed = round(paper.validation.maximum / paper.validation.fraction)
        true["train_images"] = min(true["train_images"], needed)
    # Half of a capped training set is cut for validation.
    caps = {"train_images": 2 * images} if images is not None else {}
    sizes = {key: min(size, caps.get(key, images or size)) for key, size in true.items()}
    height, width = ORIGINALS.get(name, (64, 64))
    source = {"source": "synthetic", "height": height, "width": width, "seed": 0}
    return {"sources": [source], "order": "source", **sizes}


def _shrink(content: dict[str, Any], paper: Any, images: int) -> None:
    """What else must be smaller where there are few images."""
    kernel = min(paper.eigenfunctions.images, images)
    content["validation"] = {"fraction": 0.5}
    content["finetuning"] = {
        "batch_size": min(paper.finetuning.batch_size, images),
        "warmup_steps": min(paper.finetuning.warmup_steps, 5),
    }
    content["eigenfunctions"] |= {
        "images": kernel,
        "components": min(paper.eigenfunctions.components, kernel // 2),
    }


def _epochs(content: Mapping[str, Any], paper: Any, task: str, steps: int) -> int:
    sizes = content["datasets"][task]
    trained = sizes["train_images"] // (2 if "validation" in content else 1)
    batch = content.get("finetuning", {}).get("batch_size", paper.finetuning.batch_size)
    return max(1, min(paper.finetuning.epochs[task], steps // -(-trained // batch)))


def stage_seconds(benchmarks: Path) -> dict[str, tuple[int, float]]:
    """Jobs and their seconds by stage, from Snakemake's benchmark files; data are left out."""
    seconds: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for file in sorted(benchmarks.rglob("*.tsv")):
        stage = file.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        if stage in ("sources", "datasets"):
            continue
        header, values = (line.split("\t") for line in file.read_text().splitlines()[:2])
        seconds[stage] += float(values[header.index("s")])
        jobs[stage] += 1
    return {stage: (jobs[stage], seconds[stage]) for stage in seconds}


def table(
    content: Mapping[str, Any], stages: Mapping[str, tuple[int, float]], wall: float
) -> Table:
    """Seconds per stage, largest first, their sum, and the wall's time of the whole run."""
    rows = [
        (stage, jobs, seconds, seconds / max(1, jobs))
        for stage, (jobs, seconds) in sorted(stages.items(), key=lambda item: -item[1][1])
    ]
    jobs, seconds = (sum(values) for values in zip(*stages.values(), strict=True))
    rows += [("all, one after the other", jobs, seconds, None), ("the run", None, wall, None)]
    sizes = {name: entry["train_images"] for name, entry in content["datasets"].items()}
    notes = [
        f"Training images: {sizes}. Seconds of a job are the wall's, its start included; jobs run "
        f"beside each other. The goal for the run at the true sizes is {GOAL} s on an H200."
    ]
    return Table("study", f"The study {content['study']}", _COLUMNS, rows, notes)


_COLUMNS = ("stage", "jobs", "s", "s per job")


def _snakemake(targets: list[str], config: Path, arguments: Arguments) -> None:
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(arguments.cores)]
    command += ["--resources", f"gpu={arguments.gpu_jobs}"] if arguments.device == "cuda" else []
    done = subprocess.run([*command, "--configfile", str(config)])
    if done.returncode:
        logger.error("Snakemake stopped; started again, the study continues")
        sys.exit(done.returncode)


if __name__ == "__main__":
    cli.main(Arguments, run)
