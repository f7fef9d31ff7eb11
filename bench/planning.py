"""Time that Snakemake takes to plan studies of growing size, from nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.harness import Setting, is_met, table
from bench.subjects import ROOT

SOURCES = {
    "Snakefile", "config.yaml", "envs", "profiles", "rules", "scripts", "tangent", "pretrained",
}  # fmt: skip
DEMO = "the demo"
SIZES = (DEMO, (8, 1, 1), (20, 3, 5), (100, 1, 1))
GOALS = {DEMO: 3.0, (20, 3, 5): 30.0}  # seconds


def run(setting: Setting) -> str:
    """One table: dry runs of the whole study."""
    rows = []
    for size in SIZES[:1] if setting.quick else SIZES:
        with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
            content = {"study": "demo"} if size == DEMO else study(*size)
            overlay = workspace(Path(folder), content)
            jobs, seconds, spent = dry_run(Path(folder), overlay)
        name = size if size == DEMO else "{} tasks, {} models, {} seeds".format(*size)
        row = {"study": name, "jobs": jobs, "s": seconds, "CPU s": spent}
        goal = GOALS.get(size)
        row |= {"CPU ms per job": 1e3 * spent / jobs, "goal, s": goal, "met": is_met(spent, goal)}
        rows.append(row)
    note = (
        "`snakemake -n` of the target `all`, with nothing made; the larger studies are in the "
        "proportions of configs/paper.yaml. Snakemake plans in one thread, so its CPU seconds are "
        "the time on a machine that does nothing else, and the goal is judged by them."
    )
    return table("Dry runs", rows, note)


def study(tasks: int, models: int, seeds: int) -> dict[str, Any]:
    """An overlay over config.yaml: a study in the proportions of configs/paper.yaml.

    Heat maps of three pairs, kernels of three tasks and random weights belong to one model.

    Args:
        tasks: fine-tuned tasks, at least six; there is a control task besides.
        models: pre-trained models, each a ViT-B-32 of random weights.
        seeds: seeds of each.
    """
    names = [f"task-{number:03d}" for number in range(tasks)]
    of_models = [f"vit-{number}" for number in range(models)]
    dataset = {
        "sources": [{"source": "synthetic", "height": 224, "width": 224, "seed": 0}],
        "train_images": 20000,
        "test_images": 5000,
        "order": "source",
    }
    model = {"source": "random", "name": "ViT-B-32-quickgelu", "image_size": 224, "seed": 0}
    return {
        "study": f"growth-{tasks}-{models}-{seeds}",
        "models": of_models,
        "tasks": names,
        "control": "control",
        "seeds": list(range(seeds)),
        "compute": {"device": "cpu"},
        "pretrained": dict.fromkeys(of_models, model),
        "datasets": dict.fromkeys([*names, "control"], dataset),
        "finetuning": {"epochs": dict.fromkeys(names, 10)},
        "disentanglement": {
            "models": of_models[:1],
            "pairs": [list(pair) for pair in zip(names[:6:2], names[1:6:2], strict=True)],
        },
        "eigenfunctions": {"models": of_models[:1], "tasks": names[:3]},
        "combinations": {"models": []},
        "random_initialization": {"models": of_models[:1], "tasks": names},
    }


def workspace(folder: Path, overlay: dict[str, Any]) -> Path:
    """Copy the workflow to `folder`, with class lists for its tasks; returns the overlay's file."""

    def left_out(copied: str, names: list[str]) -> list[str]:
        wanted = SOURCES if Path(copied) == ROOT else {*names} - {"__pycache__"}
        return [name for name in names if name not in wanted or name.startswith(".")]

    shutil.copytree(ROOT, folder, ignore=left_out, dirs_exist_ok=True)
    about = {"description": "A task of the growth benchmark", "templates": ["a {}"]}
    about["classes"] = [f"class {number}" for number in range(10)]
    for task in overlay.get("datasets", ()):
        path = folder / "tangent" / "tasks" / f"{task}.yaml"
        path.write_text(yaml.safe_dump({"name": task, **about}), encoding="utf-8")
    path = folder / "growth.yaml"
    path.write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
    return path


def dry_run(folder: Path, overlay: Path) -> tuple[int, float, float]:
    """Plan a study in a workspace: jobs, seconds, and CPU seconds.

    Raises:
        RuntimeError: Snakemake failed; the message is what it printed.
    """
    before, started = os.times(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "--configfile", overlay.name],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    seconds, after = time.monotonic() - started, os.times()
    total = re.search(r"^total +(\d+)$", done.stdout, re.MULTILINE)
    if done.returncode or not total:
        raise RuntimeError(done.stdout)
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return int(total[1]), seconds, spent
