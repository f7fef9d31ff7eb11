"""Pre-train the demo's CLIP from nothing: a checkpoint, its configuration, log and metrics."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from importlib.metadata import version
from pathlib import Path

from tangent.demo.pretraining import (
    CONTROL_TASK,
    TASKS,
    LogRow,
    Recipe,
    checkpoint,
    open_clip_config,
    pretrain,
    zero_shot_accuracies,
)
from tangent.files import sha256_file, write_csv, write_json, write_safetensors

PACKAGES = ("torch", "open_clip_torch", "numpy", "pillow", "matplotlib", "scikit-image")
EVALUATION_IMAGES, EVALUATION_SEED = 1000, 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line; defaults are those of the shipped checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the results")
    parser.add_argument("--images", type=int, default=Recipe.images)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--batch-size", type=int, default=Recipe.batch_size)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=Recipe.threads, help="CPU threads")
    parser.add_argument("--backup", type=Path, help="also write the weights here every 200 steps")
    return parser.parse_args()


def main() -> None:
    """Pre-train, evaluate zero-shot, write everything."""
    arguments = vars(parse_arguments())
    folder, backup = arguments.pop("output_dir"), arguments.pop("backup")
    recipe = Recipe(**arguments)
    started = time.monotonic()

    def report(line: str) -> None:
        print(line, flush=True)

    model, vocabulary, rows = pretrain(
        recipe, report, None if backup is None else lambda state: write_safetensors(backup, state)
    )
    write_safetensors(folder / "model.safetensors", checkpoint(model, vocabulary))
    write_json(folder / "open_clip_config.json", open_clip_config())
    columns = [field.name for field in dataclasses.fields(LogRow)]
    write_csv(folder / "log.csv", columns, [dataclasses.astuple(row) for row in rows])
    accuracies = zero_shot_accuracies(model, vocabulary, EVALUATION_IMAGES, EVALUATION_SEED)
    metrics = {
        "zero_shot": accuracies,
        "zero_shot_mean_of_tasks": statistics.mean(accuracies[task] for task in TASKS),
        "zero_shot_control": accuracies[CONTROL_TASK],
        "evaluation_images": EVALUATION_IMAGES,
        "recipe": dataclasses.asdict(recipe),
        "sha256": sha256_file(folder / "model.safetensors"),
        "versions": {package: version(package) for package in PACKAGES},
        "device": "cpu",
        "seconds": time.monotonic() - started,
    }
    write_json(folder / "metrics.json", metrics)
    for task, accuracy in accuracies.items():
        report(f"{task:10} {100 * accuracy:5.1f} %")


if __name__ == "__main__":
    main()
