"""Inventory of a study by its jobs' records: seconds and memory per step, versions, and hashes."""

import csv
import itertools
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tangent.arithmetic.modes import MODES
from tangent.config.schema import Config
from tangent.jobs import files, job_record
from tangent.report.figures.catalogue import figures_of
from tangent.results.columns import tables_of
from tangent.results.paper_tables import PAPER_TABLES

STEPS = (
    "pretraining", "pretrained", "initial", "sources", "datasets", "control_training", "heads",
    "learning_rates", "finetuned", "published", "task_vectors", "features", "zero_shot",
    "products", "merged_products", "single_task", "alpha", "addition", "negation",
    "disentanglement", "combinations", "eigenfunctions", "proposition1", "tables", "figures",
)  # fmt: skip
_SPLITS = ("train", "validation", "test")
# The steps whose cost the closed form in α is about.
EDITING_STEPS = (
    "products", "merged_products", "alpha", "addition", "negation", "disentanglement",
)  # fmt: skip


def jobs_of(config: Config, folder: Path) -> dict[str, Path]:
    """The jobs that a study's tables and figures come from, in the order of the pipeline.

    Files and records that an older configuration left in the study's folder are there too, but
    nothing that the tables and figures were computed from was computed from them.

    Returns:
        Name of each job, its step and its wildcards as in the log's path -> its record
        (`tangent.jobs.job_record`).

    Raises:
        UserError: a record cannot be read.
    """
    paths = {
        path.relative_to(logs).with_suffix("").as_posix(): path
        for logs in (folder / "logs", Path(config.paths.resources) / "logs")
        for path in sorted(logs.rglob("*.json"))
    }
    records = {name: job_record.read(path) for name, path in paths.items()}
    made_by = {
        os.path.abspath(file): name for name, record in records.items() for file in record.outputs
    }
    todo = [f"tables/{name}" for name in (*tables_of(config), *PAPER_TABLES)]
    todo += ["config", *(f"figures/{name}" for name in figures_of(config))]
    reached = set()
    while todo:
        name = todo.pop()
        if name in paths and name not in reached:
            reached.add(name)
            read = map(os.path.abspath, records[name].inputs)
            todo += [made_by[file] for file in read if file in made_by]
    order = {step: position for position, step in enumerate(STEPS)}
    reached = sorted(reached, key=lambda name: (order.get(_step(name), len(order)), name))
    return {name: paths[name] for name in reached}


def _step(job: str) -> str:
    return job.partition("/")[0]


Usage = dict[str, dict[str, Any]]
"""Step -> its `jobs`, their `seconds`, the `longest` of these, and `memory`: most MB, or None."""


def usage(jobs: Mapping[str, Path], folder: Path) -> tuple[Usage, dict[str, Usage]]:
    """Read the jobs' benchmark files under `folder`, which Snakemake wrote.

    Returns:
        Usage per step, in the order of the jobs; and by mode that of the steps that edit models.
    """
    table = _benchmarks(jobs, folder)
    return _by_step(table), {mode: _by_step(table[table["mode"] == mode]) for mode in MODES}


def _benchmarks(jobs: Iterable[str], folder: Path) -> pd.DataFrame:
    """A row per measured job: `job`, `step`, `mode`, `seconds`, `memory` in MB."""
    rows = []
    for name in jobs:
        path, step = folder / f"{name}.tsv", _step(name)
        # Every path has its model and its mode after the step.
        mode = name.split("/")[2] if step in EDITING_STEPS else ""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for row in csv.DictReader(text.splitlines(), delimiter="\t"):
            rows.append((name, step, mode, row.get("s"), row.get("max_rss")))
    table = pd.DataFrame(rows, columns=["job", "step", "mode", "seconds", "memory"])
    # Snakemake writes "-" or "NA" where a job was over before it could be measured.
    for column in ("seconds", "memory"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return table.dropna(subset="seconds")


def wall_clock(finished: Mapping[str, float], folder: Path) -> float | None:
    """Seconds in which at least one job ran, of jobs that `finished` at these times.

    Pauses between runs do not count. None where no job is known to have been measured.
    """
    table = _benchmarks(finished, folder)
    ends = table.job.map(finished)
    busy, until = 0.0, -math.inf
    for start, end in sorted(zip(ends - table.seconds, ends, strict=True)):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy if len(table) else None


def _by_step(table: pd.DataFrame) -> Usage:
    of_step = table.groupby("step", sort=False)
    found = of_step.seconds.agg(jobs="size", seconds="sum", longest="max")
    found["memory"] = of_step.memory.max()
    return found.astype(object).where(found.notna(), None).to_dict("index")


def published_weights(config: Config, folder: Path) -> list[dict[str, Any]]:
    """What the study takes from others instead of training it.

    Returns:
        For each: `model`, `training` and `task` that it is the θ* of; `origin`: repository, commit
        and file on the hub, or a local path; `sha256` of the file as it was published;
        `relative_distance`: ‖θ* − θ0‖ / ‖θ0‖.

    Raises:
        UserError: an imported encoder is missing or damaged.
    """
    found = []
    for model, training in itertools.product(config.models, config.trainings):
        for task in config.tasks_of(model):
            if config.published_weights(model, training, task) is None:
                continue
            path = folder / "published" / model / training / task / "encoder.safetensors"
            about = json.loads(files.read_metadata(path)["published"])
            entry = about["entry"]
            hub = f"{entry.get('repository')} at {about['commit']}, {entry.get('file')}"
            names = {"model": model, "training": training, "task": task}
            found.append(names | {"origin": entry.get("path") or hub} | about)
    return found


class Provenance(NamedTuple):
    """What the records of a study's jobs say about how its results were made.

    Attributes:
        versions: package -> versions found (one, unless the study was continued elsewhere).
        commits: commits of this repository.
        finished: job -> when it was over, in seconds since 1970; empty if a record, an older one,
            does not say it.
        devices: devices.
        code: step -> code fingerprints.
        weights: file -> SHA-256 of every weights file that a result was computed from.
        datasets: task -> split -> (number of examples, SHA-256). Where models read different forms
            of a task's data, `task (form)`.
    """

    versions: dict[str, set[str]]
    commits: set[str]
    finished: dict[str, float]
    devices: set[str]
    code: dict[str, set[str]]
    weights: dict[str, str]
    datasets: dict[str, dict[str, tuple[int, str]]]


def provenance(config: Config, jobs: Mapping[str, Path]) -> Provenance:
    """Gather the provenance blocks of the jobs and the digests of the data sets.

    Raises:
        UserError: a data set's description is missing or not JSON.
    """
    versions, code, weights = defaultdict(set), defaultdict(set), {}
    commits, devices, finished = set(), set(), {}
    for name, path in jobs.items():
        record = files.read_json(path)
        block = record["provenance"]
        if "finished" in record:
            finished[name] = record["finished"]
        for package, version in (block.get("versions") or {}).items():
            versions[package].add(version)
        commits |= {block.get("commit")} - {None}
        devices |= {block.get("device")} - {None}
        code[_step(name)].add(block["code"])
        # Heads, models, task vectors; what is named as a split holds data or features.
        weights |= {
            file: digest
            for file, digest in block["inputs"].items()
            if Path(file).suffix == ".safetensors" and Path(file).stem not in _SPLITS
        }
    datasets = {}
    forms = dict.fromkeys(config.form_of(model) for model in config.models)
    for task, form in itertools.product((*config.tasks, config.control), forms):
        path = Path(config.paths.resources) / "datasets" / form / task / "dataset.json"
        datasets[f"{task} ({form})" if len(forms) > 1 else task] = {
            split: (one["n"], one["sha256"])
            for split, one in files.read_json(path)["splits"].items()
        }
    if len(finished) < len(jobs):
        finished = {}
    weights = dict(sorted(weights.items()))
    return Provenance(versions, commits, finished, devices, code, weights, datasets)
