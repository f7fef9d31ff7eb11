"""How often the claims' 95 % intervals hold the truth, by simulation.

`PYTHONPATH=. python tests/unit/results/simulated_coverage.py` prints the table of docs/demo.md.

A made-up study of T tasks and S seeds: image i of task t is right in mode m, seed s and measurement
q (single task, sum) if a normal score exceeds 0,

    level_mq + task_mqt + seed_ms + cell_mqts + image_mqti + noise_mqtsi > 0,

so a seed does something to all tasks alike and something to each, and images are easy or hard for
every seed. The quantities are those of task addition: the differences of two modes' mean accuracies
and of their normalised accuracies (means of ratios on the same images).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from tangent.results.intervals import Interval, of_other_units, of_these_units
from tangent.results.sampled import Sampled, mean_of

TASKS = 8
SEEDS = (5, 1)
IMAGES = 200
REPLICATES = 2000
MANY = 10_000
QUANTITIES = ("absolute", "normalised")
LEVELS = np.array([[1.0, 0.2], [0.9, 0.35]])[:, :, None]


@dataclass(frozen=True)
class Mix:
    """Standard deviations of the score's parts; the noise has 1."""

    name: str
    task: float
    seed: float
    cell: float
    image: float


MIXES = (
    Mix("images alone", 0.5, 0.0, 0.0, 1.0),
    Mix("nothing that images share", 0.5, 0.0, 0.1, 0.0),
    Mix("a seed moves all tasks alike", 0.3, 0.2, 0.05, 0.7),
    Mix("a seed moves each task its way", 0.5, 0.05, 0.3, 0.7),
    Mix("tasks alike", 0.0, 0.1, 0.1, 0.7),
    Mix("everything", 0.5, 0.15, 0.15, 1.0),
)


def main() -> None:
    """Print the table of docs/demo.md."""
    print(
        f"{TASKS} tasks, {IMAGES} images each, {REPLICATES} studies a row. Coverage in % (mean "
        "length in points).\n\n| mix | seeds | quantity | these tasks | other tasks | nested "
        "bootstrap |\n|---|---|---|---|---|---|"
    )
    random = np.random.default_rng()
    for mix in MIXES:
        for seeds in SEEDS:
            found = coverage(mix, seeds, REPLICATES, random)
            for quantity in QUANTITIES:
                cells = [
                    "{:.1f} ({:.1f})".format(*(100 * number for number in found[method, quantity]))
                    if (method, quantity) in found
                    else "–"
                    for method in ("these", "others", "nested bootstrap")
                ]
                print(f"| {mix.name} | {seeds} | {quantity} | {' | '.join(cells)} |", flush=True)


def coverage(
    mix: Mix, seeds: int, replicates: int, random: np.random.Generator
) -> dict[tuple[str, str], tuple[float, float]]:
    """(method, quantity) -> share of the intervals that hold the truth, and their mean length.

    With one seed nobody can know what another would give: the truth is then this seed's, over all
    images, or over all tasks and images.
    """
    found: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    base = _tasks(mix, TASKS, random)
    many_tasks, many_cells = _tasks(mix, MANY, random), _cells(mix, MANY, 1, random)
    of_these = _truth(mix, base, _seeds(mix, MANY, random) + _cells(mix, TASKS, MANY, random))
    # Every task with a seed of its own: as good as all pairs for a mean.
    many_seeds = _seeds(mix, MANY, random).swapaxes(2, 3)
    of_all = _truth(mix, many_tasks, many_seeds + many_cells)
    for _ in range(replicates):
        shared, cells = _seeds(mix, seeds, random), _cells(mix, TASKS, seeds, random)
        numbers = {
            "these": _estimates(_outcomes(mix, base, shared + cells, random)),
            "others": _estimates(
                _outcomes(mix, _tasks(mix, TASKS, random), shared + cells, random)
            ),
        }
        truths = {"these": of_these, "others": of_all}
        if seeds == 1:
            truths["these"] = _truth(mix, base, shared + cells)
            truths["others"] = _truth(mix, many_tasks, shared + many_cells)
        for q, quantity in enumerate(QUANTITIES):
            mean = mean_of(numbers["these"][q])
            intervals = {
                "these": of_these_units(mean.value, mean.influence.values()),
                "others": of_other_units(_values(numbers["others"][q])),
            }
            if seeds > 1:
                values = _values(numbers["these"][q])
                intervals["nested bootstrap"] = _nested_bootstrap(values, random)
            for method, interval in intervals.items():
                truth = truths["others" if method == "others" else "these"][q]
                hit = interval.low <= truth <= interval.high, interval.high - interval.low
                found.setdefault((method, quantity), []).append(hit)
    return {key: tuple(np.mean(hits, axis=0)) for key, hits in found.items()}


def _tasks(mix: Mix, tasks: int, random: np.random.Generator) -> np.ndarray:
    """Scores of tasks [mode, measurement, task]; modes and measurements share the larger part."""
    parts = random.normal(size=(1, 1, tasks)) + 0.5 * random.normal(size=(2, 2, tasks))
    return LEVELS + mix.task * parts


def _seeds(mix: Mix, seeds: int, random: np.random.Generator) -> np.ndarray:
    """What a seed does to all tasks [mode, measurement, 1, seed]: to sums twice as much."""
    scale = mix.seed * np.array([0.5, 1.0])[None, :, None, None]
    return scale * random.normal(size=(2, 1, 1, seeds))


def _cells(mix: Mix, tasks: int, seeds: int, random: np.random.Generator) -> np.ndarray:
    """What a seed does to each task [mode, measurement, task, seed]."""
    return mix.cell * random.normal(size=(2, 2, tasks, seeds))


def _outcomes(
    mix: Mix, base: np.ndarray, effects: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Right or wrong [mode, measurement, task, seed, image]."""
    *_, tasks, seeds = effects.shape
    images = random.normal(size=(1, 1, tasks, 1, IMAGES))
    images = images + 0.5 * random.normal(size=(2, 2, tasks, 1, IMAGES))
    score = base[..., None, None] + effects[..., None] + mix.image * images
    return (score + random.normal(size=(2, 2, tasks, seeds, IMAGES)) > 0).astype(float)


def _truth(mix: Mix, base: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Both quantities on infinitely many images, means over tasks and seeds."""
    accuracies = ndtr((base[..., None] + effects) / np.sqrt(1 + 1.25 * mix.image**2))
    single, added = accuracies[:, 0], accuracies[:, 1]
    normalised = added / single
    return np.array([(x[1] - x[0]).mean() for x in (added, normalised)])


def _estimates(right: np.ndarray) -> list[list[Sampled]]:
    """Each task's number, per quantity."""
    of_mode = []
    for mode in right:
        single, added = (
            [Sampled.mean_over_images(str(t), task) for t, task in enumerate(measured)]
            for measured in mode
        )
        of_mode.append((added, [sum_ / alone for sum_, alone in zip(added, single, strict=True)]))
    return [
        [second - first for first, second in zip(*numbers, strict=True)]
        for numbers in zip(*of_mode, strict=True)
    ]


def _values(numbers: list[Sampled]) -> np.ndarray:
    return np.array([number.value for number in numbers])


def _nested_bootstrap(values: np.ndarray, random: np.random.Generator) -> Interval:
    """Percentiles of means over seeds that are drawn within each task; `values` [T, S]."""
    tasks, seeds = values.shape
    drawn = random.integers(seeds, size=(400, tasks, seeds))
    means = values[np.arange(tasks)[None, :, None], drawn].mean(axis=(1, 2))
    return Interval(*np.quantile(means, [0.025, 0.975]), np.inf)


if __name__ == "__main__":
    main()
