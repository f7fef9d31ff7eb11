"""What a study used: seconds and memory per step, versions, and hashes of weights and data."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tangent.arithmetic.modes import MODES
from tangent.config.schema import Config
from tangent.jobs import files
from tangent.tasks.task_files import task_names

STEPS = (
    "pretraining", "pretrained", "initial", "sources", "datasets", "control_training", "heads",
    "learning_rates", "finetuned", "published", "task_vectors", "features", "zero_shot",
    "products", "single_task", "alpha", "addition", "negation", "disentanglement", "combinations",
    "eigenfunctions", "proposition1", "tables", "figures",
)  # fmt: skip
_SPLITS = ("train", "validation", "test")
# What their jobs are called does not begin with a model's name.
_OF_NO_MODEL = ("pretraining", "sources", "datasets", "control_training", "tables", "figures")
# The steps whose cost the closed form in α is about.
EDITING_STEPS = ("products", "alpha", "addition", "negation", "disentanglement")


@dataclass
class Usage:
    """Jobs of one step: their number, seconds (summed, longest), largest resident memory in MB."""

    jobs: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    memory: float | None = None

    def add(self, seconds: float, memory: float | None) -> None:
        """Count one job."""
        self.jobs += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        if memory is not None:
            self.memory = max(self.memory or 0.0, memory)


def usage(config: Config, folder: Path) -> tuple[dict[str, Usage], dict[str, dict[str, Usage]]]:
    """Read Snakemake's benchmark files under `folder`, whose first level is the step.

    Files that an older configuration left behind are not counted.

    Returns:
        Usage per step, in the order of the pipeline; and usage per mode and step for the steps
        that edit models.
    """
    steps: dict[str, Usage] = defaultdict(Usage)
    modes: dict[str, dict[str, Usage]] = {mode: defaultdict(Usage) for mode in MODES}
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).with_suffix("").parts
        if not _is_job_of(config, *parts):
            continue
        for seconds, memory in _jobs(path):
            steps[parts[0]].add(seconds, memory)
            mode = next((part for part in parts if part in MODES), None)
            if parts[0] in EDITING_STEPS and mode:
                modes[mode][parts[0]].add(seconds, memory)
    order = {step: position for position, step in enumerate(STEPS)}
    return dict(sorted(steps.items(), key=lambda item: order.get(item[0], len(order)))), modes


def _is_job_of(config: Config, step: str, *names: str) -> bool:
    """Whether a job with these values of its wildcards is one of the configuration's."""
    tasks = {*config.tasks, config.control}
    if step == "pretraining":
        return names[0] in {getattr(config.pretrained[m], "recipe", None) for m in config.models}
    if step in STEPS and step not in _OF_NO_MODEL:
        model, *names = names
        if model not in config.all_models:
            return False
        if step == "learning_rates":
            return _is_of_search(config, model, *names)
        tasks = {*config.tasks_of(model), config.control}
        if step == "eigenfunctions":
            tasks = {*config.eigenfunction_tasks_of(model)}
        if step in ("finetuned", "published"):
            is_published = config.published_weights(model, *names[:2]) is not None
            if is_published != (step == "published"):
                return False
        if step == "combinations" and model not in config.combinations.models:
            return False
        if step == "disentanglement" and names[1:3] not in config.pairs_of(model):
            return False
    other_tasks = {*task_names()} - tasks
    seeds = {f"seed{seed}" for seed in config.seeds}
    for name in names:
        if re.fullmatch(r"seed\d+", name):
            return name in seeds  # what comes after it names a file and no task
        if name in other_tasks:
            return False
    return True


def _is_of_search(config: Config, model: str, training: str, *names: str) -> bool:
    """Whether a job made or compared a training at one of the rates to choose from."""
    rates = map(str, config.rate_grid(model, training))
    seed, tasks = f"seed{config.tuning_seed}", config.trained_tasks(model, training)
    candidates = {(rate, task) for rate in rates for task in tasks}
    if len(names) > 1 and names[1] == "chosen":
        return names[0] == seed and bool(candidates)
    return names[:2] in candidates and names[2] == seed


def _jobs(path: Path) -> Iterator[tuple[float, float | None]]:
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    for line in lines:
        row = dict(zip(header.split("\t"), line.split("\t"), strict=False))
        # Snakemake writes "-" or "NA" where a job was over before it could be measured.
        seconds, memory = _number(row.get("s")), _number(row.get("max_rss"))
        if seconds is not None:
            yield seconds, memory


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


@dataclass(frozen=True)
class PublishedWeights:
    """Fine-tuned weights that were not trained here.

    Attributes:
        model, training, task: what they are the θ* of.
        origin: where they come from: repository, commit and file on the hub, or a local path.
        sha256: of the file as it was published.
        relative_distance: ‖θ* − θ0‖ / ‖θ0‖.
    """

    model: str
    training: str
    task: str
    origin: str
    sha256: str
    relative_distance: float


def published_weights(config: Config, folder: Path) -> list[PublishedWeights]:
    """What the study takes from others instead of training it.

    Raises:
        UserError: an imported encoder is missing or damaged.
    """
    found = []
    for model in config.models:
        for training in config.trainings:
            for task in config.tasks_of(model):
                if config.published_weights(model, training, task) is None:
                    continue
                path = folder / "published" / model / training / task / "encoder.safetensors"
                about = json.loads(files.read_metadata(path)["published"])
                entry = about["entry"]
                origin = entry.get("path") or (
                    f"{entry['repository']} at {about['commit']}, {entry['file']}"
                )
                found.append(
                    PublishedWeights(
                        model, training, task, origin, about["sha256"], about["relative_distance"]
                    )
                )
    return found


@dataclass
class Provenance:
    """What the results of a study say about how they were made.

    Attributes:
        versions: package -> versions found (one, unless the study was continued elsewhere).
        commits: commits of this repository.
        devices: devices.
        code: step -> code fingerprints.
        weights: file -> SHA-256 of every weights file that a result was computed from.
        datasets: task -> split -> (number of examples, SHA-256). Where models read different forms
            of a task's data, `task (form)`.
    """

    versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    commits: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    code: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    weights: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)


def provenance(config: Config, folder: Path) -> Provenance:
    """Gather the provenance blocks of the results under `folder` and the digests of the data sets.

    Raises:
        UserError: a result or a data set's description is missing or not JSON.
    """
    found = Provenance()
    of_study = {*config.seeds, config.tuning_seed}
    for step in STEPS:
        for path in sorted((folder / step).rglob("*.json")):
            content = files.read_json(path)
            if isinstance(content, dict) and _belongs(content, config):
                _add(found, step, content.get("provenance") or {})
        for path in sorted((folder / step).rglob("*.safetensors")):
            # results/<study>/<step>/{model}/…/seed{seed}/<artefact>; heads have no seed.
            model, *others = path.relative_to(folder / step).parts
            seeds = [part for part in others if part.startswith("seed")]
            if model in config.all_models and set(seeds) <= {f"seed{n}" for n in of_study}:
                _add(found, step, json.loads(files.read_metadata(path).get("provenance", "{}")))
    found.weights = dict(sorted(found.weights.items()))
    forms = list(dict.fromkeys(config.form_of(model) for model in config.models))
    for task in (*config.tasks, config.control):
        for form in forms:
            path = Path(config.paths.resources) / "datasets" / form / task / "dataset.json"
            splits = files.read_json(path)["splits"]
            name = f"{task} ({form})" if len(forms) > 1 else task
            found.datasets[name] = {
                split: (one["n"], one["sha256"]) for split, one in splits.items()
            }
    return found


def _belongs(content: dict[str, Any], config: Config) -> bool:
    """Whether a result is of this configuration: an older one may have left files behind."""
    models, seeds = config.all_models, [*config.seeds, config.tuning_seed]
    return content.get("model", models[0]) in models and content.get("seed", seeds[0]) in seeds


def _add(found: Provenance, step: str, block: dict[str, Any]) -> None:
    for package, version in (block.get("versions") or {}).items():
        found.versions[package].add(version)
    if block.get("commit"):
        found.commits.add(block["commit"])
    if block.get("device"):
        found.devices.add(block["device"])
    if block.get("code"):
        found.code[step].add(block["code"])
    for path, digest in (block.get("inputs") or {}).items():
        # Heads, models, task vectors; what is named as a split holds data or features.
        if Path(path).suffix == ".safetensors" and Path(path).stem not in _SPLITS:
            found.weights[path] = digest
