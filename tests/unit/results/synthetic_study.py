"""Raw results of a made-up study, in the formats that the evaluations write.

The numbers are random with the right shape (not results of anything); the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from study_records import PROVENANCE, write_records

from tangent.arithmetic.modes import MODES
from tangent.evaluation import outcomes
from tangent.evaluation.directions import subsets
from tangent.evaluation.outcomes import encode, encode_counts
from tangent.jobs import files
from tangent.report.build import read_configuration
from tangent.results.collect import collect
from tangent.results.columns import TABLES, raw_results, tables_of
from tangent.results.read_tables import derived_table, load_tables, write_table

REPOSITORY = Path(__file__).parents[3]
RATES = [1e-4, 1e-3, 1e-2]
OWN_RATES = [{"standard": 1e-3, "linear": 3e-3}, {"standard": 1e-4, "linear": 1e-2}]
ALPHAS = [round(0.05 * i, 2) for i in range(21)]
SWEEP = ["alpha", "task", "split", "accuracy", "normalized"]
SHIFT = {"standard": 0.0, "posthoc": -0.08, "linear": -0.02}
SUM = {"standard": 0.66, "posthoc": 0.72, "linear": 0.70}


def configuration(root: Path, seeds: list[int], models: list[str]) -> dict[str, Any]:
    """The shipped demo's configuration, resolved, with other folders, seeds and models."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    source = config["pretrained"]["demo-vit"]
    rates = config["finetuning"]["learning_rate"] | {"linear": {"grid": RATES}}
    # One model's rate is chosen; several have rates of their own, and are compared.
    own = dict(zip(models, OWN_RATES, strict=False)) if models[1:] else {}
    return config | {
        "finetuning": config["finetuning"]
        | {"learning_rate": rates, "models": {m: {"learning_rate": own[m]} for m in own}},
        "rate_sensitivity": {"models": list(own)},
        "paths": {"results": str(root / "results"), "resources": str(root / "resources")},
        "seeds": seeds,
        "models": models,
        "pretrained": {model: source for model in models},
        "architectures": {m: "ResNet" if m == "other_vit" else "ViT" for m in models},
        "emergence": {"steps": dict(zip(models, (40, 7), strict=True)) if models[1:] else {}},
        "disentanglement": config["disentanglement"]
        | {
            "models": models,
            "pairs": [["shapes", "letters"], ["symbols", "patterns"], ["digits", "photos"]],
        },
        "eigenfunctions": config["eigenfunctions"]
        | {"models": models, "tasks": ["letters", "digits", "patterns"]},
        "combinations": {
            "models": models,
            "subsets_per_size": 9,
            "analogies": [["shapes", "letters", "photos", "digits"]],
        },
        "random_initialization": config["random_initialization"]
        | {"models": models[:1], "tasks": ["shapes", "letters", "digits"]},
    }


def write_study(
    root: Path, seeds: tuple[int, ...] = (0,), models: tuple[str, ...] = ("demo-vit",)
) -> Path:
    """Write all raw results below `root`; returns the study's folder.

    The first model is also studied from a random initialisation.
    """
    config = configuration(root, list(seeds), list(models))
    folder = root / "results" / config["study"]
    files.write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    random = np.random.default_rng(0)
    for name in (*config["tasks"], config["control"]):
        splits = {split: {"n": 500, "sha256": split[0] * 64} for split in ("train", "test")}
        files.write_json(
            root / "resources" / "datasets" / "32px" / name / "dataset.json",
            {"task": name, "classes": ["a", "b"], "splits": splits, "provenance": PROVENANCE},
        )
    for model in models:
        _search(folder, np.random.default_rng(1), model, config["tasks"], seeds[0])
    for seed in seeds:
        for model in models:
            _model(folder, config, random, model, config["tasks"], seed, start=0.43)
        small = config["random_initialization"]["tasks"]
        _model(folder, config, random, f"{models[0]}-random", small, seed, start=0.08)
    _benchmarks(folder, config)
    write_records(folder)
    return folder


def make_tables(folder: Path, names: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Write tables, all but the claims', as the rules make them of a study's raw results."""
    config = read_configuration(folder / "config.yaml")
    names = names or [name for name in tables_of(config) if name != "claims"]
    for name in names:
        entry = TABLES[name]
        if entry.results:
            paths = [folder / path for path in raw_results(config, name)]
            table = collect(name, paths)
        else:
            tables = load_tables(folder / "tables", entry.tables)
            table = derived_table(name, tables, **entry.settings(config))
        write_table(table, folder / "tables" / f"{name}.csv")
    return load_tables(folder / "tables", names)


def _model(folder, config, random, model, tasks, seed, start) -> None:
    is_random = start < 0.2
    zero = {t: float(np.clip(start + 0.12 * random.standard_normal(), 0.02, 0.9)) for t in tasks}
    zero[config["control"]] = 0.05 if is_random else 0.84
    files.write_json(
        folder / f"zero_shot/{model}/seed{seed}/zero_shot.json",
        {
            "model": model, "mode": "zero_shot", "seed": seed, "provenance": PROVENANCE,
            "tasks": {
                t: {"validation": _accuracy(a + 0.01, 200), "test": _accuracy(a, 500)}
                for t, a in zero.items()
            },
        },
    )  # fmt: skip
    best = 0.62 if is_random else 0.85
    for mode in MODES:
        single = {
            t: _outcomes(best + SHIFT[mode] + 0.05 * random.standard_normal(), 500)[1]
            for t in tasks
        }
        for task, accuracy in single.items():
            files.write_json(
                folder / f"single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json",
                {
                    "model": model, "mode": mode, "task": task, "seed": seed,
                    "validation": _accuracy(accuracy + 0.01, 200),
                    "test": _accuracy(accuracy, 500), "provenance": PROVENANCE,
                },
            )  # fmt: skip
        peak = 0.25 if is_random else SUM[mode]
        _addition(folder, random, model, mode, seed, zero, single, peak)
        if not is_random and mode != "standard":
            _combinations(folder, config, random, model, mode, seed, zero, single)
        if not is_random:
            _negation(folder, config, random, model, mode, seed, zero, tasks)
            _disentanglement(folder, config, random, model, mode, seed)
    _eigenfunctions(folder, config, random, model, tasks, seed, is_random)
    if not is_random:
        files.write_csv(
            folder / f"proposition1/{model}/seed{seed}/interference.csv",
            ["coupling", "localization", "interference"],
            [(c, 1 / (1 + 3 * c) ** 0.5, 0.4 * c / (1 + c)) for c in np.linspace(0, 1, 11)],
            {"model": model, "seed": seed},
        )
        files.write_csv(
            folder / f"proposition1/{model}/seed{seed}/functions.csv",
            ["task", "image", "own", "others"],
            [
                (task, int(image), *(random.standard_normal(2) * (1.0, 0.5)))
                for task in config["eigenfunctions"]["tasks"]
                for image in random.permutation(300)[:60]
            ],
            {"model": model, "seed": seed},
        )


def _search(folder, random, model, tasks, seed) -> None:
    """Of the linear training, whose middle rate wins."""
    place = {"model": model, "training": "linear", "seed": seed, "split": "validation"}
    path = folder / "learning_rates" / model / "linear"
    files.write_json(path / f"seed{seed}" / "chosen.json", place | {"learning_rate": RATES[1]})
    for rate, level in zip(RATES, (0.5, 0.8, 0.7), strict=True):
        for task in tasks:
            right = random.random(200) < level
            about = {"task": task, "learning_rate": rate, "accuracy": float(right.mean()), "n": 200}
            about |= {"outcomes": outcomes.encode(right), "provenance": PROVENANCE}
            name = f"{rate}/{task}/seed{seed}/accuracy.json"
            files.write_json(path / name, place | about)


def _accuracy(accuracy: float, n: int) -> dict[str, Any]:
    outcomes, accuracy = _outcomes(accuracy, n)
    return {"accuracy": accuracy, "n": n, "classes": 10, "outcomes": outcomes}


def _outcomes(accuracy: float, n: int) -> tuple[str, float]:
    """Images that are right, as many as an accuracy says, and the accuracy that they have."""
    correct = np.arange(n) < round(min(max(accuracy, 0.0), 1.0) * n)
    shuffled = np.random.default_rng(int(correct.sum())).permutation(correct)
    return encode(shuffled), float(correct.mean())


def _addition(folder, random, model, mode, seed, zero, single, peak) -> None:
    best = 0.3 + 0.05 * int(random.integers(0, 4))
    at = {}
    rows = []
    for alpha in ALPHAS:
        for task, accuracy in single.items():
            start = zero[task] / accuracy
            width = 0.25 if alpha < best else 0.35
            value = start + (peak - start) * np.exp(-(((alpha - best) / width) ** 2))
            value = float(value + 0.01 * random.standard_normal())
            rows.append((alpha, task, "validation", value * accuracy, value))
            at[alpha, task] = value
    path = f"alpha/{model}/{mode}/sum/seed{seed}"
    about = {"operation": "addition", "model": model, "mode": mode, "seed": seed, "target": "all"}
    files.write_csv(folder / path / "sweep.csv", SWEEP, rows, about)
    alpha = max(ALPHAS, key=lambda a: np.mean([at[a, t] for t in single]))
    added = {t: _accuracy((at[alpha, t] - 0.005) * single[t], 500) for t in single}
    normalized = {t: added[t]["accuracy"] / single[t] for t in single}
    files.write_json(folder / path / "alpha.json", {"alpha": alpha, "provenance": PROVENANCE})
    files.write_json(
        folder / f"addition/{model}/{mode}/sum/seed{seed}/result.json",
        {
            "model": model, "mode": mode, "seed": seed, "alpha": alpha,
            "absolute": float(np.mean([added[t]["accuracy"] for t in single])),
            "normalized": float(np.mean(list(normalized.values()))),
            "tasks": {
                t: {"accuracy": added[t]["accuracy"], "normalized": normalized[t], "n": 500}
                | {"outcomes": added[t]["outcomes"]}
                for t in single
            },
            "provenance": PROVENANCE,
        },
    )  # fmt: skip


def _combinations(folder, config, random, model, mode, seed, zero, single) -> None:
    tasks = config["tasks"]
    listed = subsets(tasks, config["combinations"]["subsets_per_size"])
    sums = []
    for subset in listed:
        normalized = SUM[mode] + 0.35 / len(subset) + 0.03 * random.standard_normal()
        absolute = normalized * float(np.mean([single[task] for task in subset]))
        sums.append(
            {
                "tasks": list(subset), "alpha": ALPHAS[int(random.integers(21))],
                "absolute": absolute, "normalized": float(normalized),
            }
        )  # fmt: skip
    shared = [SUM[mode] + 0.05 * random.standard_normal() for _ in tasks]
    own = [value + 0.02 * random.random() for value in shared]
    files.write_json(
        folder / f"combinations/{model}/{mode}/seed{seed}/result.json",
        {
            "model": model, "mode": mode, "seed": seed, "subsets": sums,
            "per_task_alpha": {
                task: {
                    "alpha": ALPHAS[int(random.integers(21))], "accuracy": own[i] * single[task],
                    "normalized": own[i], "shared_alpha": sums[-1]["alpha"],
                    "shared_accuracy": shared[i] * single[task], "shared_normalized": shared[i],
                    "n": 500,
                }
                for i, task in enumerate(tasks)
            },
            "analogies": [
                dict(zip("abcd", names, strict=True)) | {
                    "alpha": 0.4, "accuracy": zero[names[3]] + 0.05 * random.random(),
                    "baseline_alpha": 0.2, "baseline_accuracy": zero[names[3]] + 0.01,
                    "zero_shot": zero[names[3]], "single_task": single[names[3]], "n": 500,
                }
                for names in config["combinations"]["analogies"]
            ],
            "provenance": PROVENANCE,
        },
    )  # fmt: skip


def _negation(folder, config, random, model, mode, seed, zero, tasks) -> None:
    control = config["control"]
    for task in tasks:
        rows, chosen = [], 0.0
        slope = {"standard": 1.1, "posthoc": 1.3, "linear": 1.7}[mode]
        for alpha in ALPHAS:
            target = zero[task] * float(np.exp(-slope * alpha))
            kept = float(1 - 0.12 * alpha**2 * (1 + 0.3 * random.standard_normal()))
            rows.append((alpha, task, "validation", target, target / zero[task]))
            rows.append((alpha, control, "validation", kept * zero[control], kept))
            if kept >= 0.95:
                chosen = alpha
        path = f"alpha/{model}/{mode}/{task}/seed{seed}"
        about = {"operation": "negation", "model": model, "mode": mode, "seed": seed}
        files.write_csv(folder / path / "sweep.csv", SWEEP, rows, about | {"target": task})
        targets, target = _outcomes(zero[task] * np.exp(-slope * chosen), 500)
        controls, kept = _outcomes(0.955 * zero[control], 500)
        files.write_json(
            folder / f"negation/{model}/{mode}/{task}/seed{seed}/result.json",
            {
                "model": model, "mode": mode, "task": task, "seed": seed, "alpha": chosen,
                "target": target, "outcomes_target": targets, "control": kept,
                "outcomes_control": controls, "control_pretrained": zero[control],
                "target_pretrained": zero[task], "n_target": 500, "n_control": 500,
                "control_task": control,
                "control_threshold": config["negation"]["control_threshold"],
                "provenance": PROVENANCE,
            },
        )  # fmt: skip


def _disentanglement(folder, config, random, model, mode, seed) -> None:
    grid = np.linspace(-3, 3, 13)
    scale = {"standard": 0.5, "posthoc": 0.32, "linear": 0.22}[mode]
    for task_1, task_2 in config["disentanglement"]["pairs"]:
        rows = []
        for a in grid:
            for b in grid:
                halves = [
                    float(0.9 * (1 - np.exp(-scale * abs(other) * (1 + 0.2 * random.random()))))
                    for other in (b, a)
                ]
                rows.append((float(a), float(b), *halves, sum(halves)))
        place = folder / f"disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}"
        regions = {"search_box": 25, "whole_grid": 169}
        about = {"model": model, "mode": mode, "seed": seed, "task_1": task_1, "task_2": task_2}
        files.write_json(
            place / "error.json",
            about
            | {
                "n": {task_1: 100, task_2: 60},
                "disagreements": {
                    region: {
                        "points": points,
                        "counts": {
                            task: encode_counts(random.binomial(points, scale, n), points)
                            for task, n in ((task_1, 100), (task_2, 60))
                        },
                    }
                    for region, points in regions.items()
                },
                "provenance": PROVENANCE,
            },
        )
        files.write_csv(
            place / "error.csv",
            ["alpha_1", "alpha_2", "error_1", "error_2", "error"],
            rows,
            about,
        )


def _eigenfunctions(folder, config, random, model, tasks, seed, is_random) -> None:
    for task in config["eigenfunctions"]["tasks"]:
        if task not in tasks:
            continue
        energies, spectrum = [], []
        for logit in range(3):
            for component in range(20):
                spectrum.append((logit, component + 1, float(np.exp(-0.3 * component))))
            for dataset in (*tasks, config["control"]):
                mean = 1.6 if is_random else 5.0 if dataset == task else 1.2
                for split in ("sample", "test") if dataset == task else ("test",):
                    for image in range(60):
                        energy = float(mean * np.exp(0.7 * random.standard_normal()))
                        energies.append((dataset, split, logit, image, energy))
        path = folder / f"eigenfunctions/{model}/{task}/seed{seed}"
        columns = ["dataset", "split", "logit", "image", "energy"]
        about = {"model": model, "task": task, "seed": seed}
        files.write_csv(path / "energies.csv", columns, energies, about)
        about |= {"images": 60, "components": 10}
        columns = ["logit", "component", "eigenvalue"]
        files.write_csv(path / "spectrum.csv", columns, spectrum, about)
        files.write_json(
            path / "eigenfunctions.json", about | {"logits": [0, 1, 2], "provenance": PROVENANCE}
        )


def _benchmarks(folder, config) -> None:
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
    tasks = [f"standard/{task}/seed0" for task in config["tasks"]]
    for step, seconds, jobs in (
        ("finetuned", 42.5, tasks), ("single_task", 6.25, tasks),
        ("addition", 0.4, ["standard/sum/seed0"]),
    ):  # fmt: skip
        for job in jobs:
            memory = "-" if step == "addition" else "812.5"
            line = f"{seconds}\t0:00:42\t{memory}\t-\t-\t-\t-\t-\t98.5\t40.0"
            files.write_text(
                folder / f"benchmarks/{step}/demo-vit/{job}.tsv", f"{header}\n{line}\n"
            )
