"""Evaluating the linearized modes at the paper's sizes, counted: minimum, ours, re-evaluation.

In forward passes of one image: a forward pass is 1, a tangent 2. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from snakemake.utils import update_config

from bench.evaluation import MINIMUM_GOAL
from bench.subjects import Setting
from bench.tables import Table
from tangent.config.cost.passes import COST, jobs_of, linearized_modes, sizes_of
from tangent.config.extends import extended_files
from tangent.config.load import load_config
from tangent.config.schema import Config

STUDY = "configs/paper-vit-b-32.yaml"
OURS = ("features", "products")  # stages whose passes the linearized modes need


@dataclass(frozen=True)
class Count:
    """Forward passes of one image, of one part of the evaluations.

    Attributes:
        part: what they are for.
        minimum: value and tangents of the products that the study's artefacts need.
        baseline: passes of the linearized model, run again for each α.
    """

    part: str
    minimum: int
    baseline: int


def run(setting: Setting) -> list[Table]:
    """One table, the pre-trained model of the study, all linearized modes, one seed."""
    config = study(STUDY)
    model = config.models[0]
    counts = list(parts(config, model))
    columns = ("part", "minimum", "re-evaluating baseline", "baseline / minimum")
    rows = [(c.part, c.minimum, c.baseline, _ratio(c.baseline, c.minimum)) for c in counts]
    minimum, baseline = (sum(getattr(c, name) for c in counts) for name in ("minimum", "baseline"))
    heat_maps = counts[-1]
    without = baseline - heat_maps.baseline
    needed = minimum - heat_maps.minimum
    ours = passes_of_ours(config, model)
    rows += [
        ("without heat maps", needed, without, _ratio(without, needed)),
        ("all", minimum, baseline, _ratio(baseline, minimum)),
        ("ours, as the workflow's jobs do it", ours, baseline, _ratio(baseline, ours)),
    ]
    notes = [
        f"{model} of {STUDY}, {linearized_modes()} linearized modes, "
        f"{config.alphas.points} α, heat maps of {config.disentanglement.points}² points, images "
        "counted from the configuration. The row of ours counts the stages features and products "
        "of `tangent.estimate`; the baseline runs a Jacobian-vector product "
        f"({COST['tangent']} forward passes) for each α, and twice per point of a heat map. Ours "
        f"is {ours / minimum:.2f} times the minimum (goal: {MINIMUM_GOAL}).",
    ]
    title = "Evaluating the linearized modes at the paper's sizes, counted in forward passes"
    return [Table("paper-counts", title, columns, rows, notes)]


def parts(config: Config, model: str) -> Iterator[Count]:
    """What a pre-trained model's evaluations need, heat maps last."""
    tasks, modes, tangent = config.tasks_of(model), linearized_modes(), COST["tangent"]
    sizes = {task: sizes_of(config, task) for task in [*tasks, config.control]}
    control, points = sizes[config.control], config.alphas.points
    images = sum(size.validation + size.test for size in sizes.values())
    yield Count("f(x; θ0) of every image, once", images, 0)
    own = sum(sizes[task].validation + sizes[task].test for task in tasks)
    swept = sum(points * sizes[task].validation + sizes[task].test for task in tasks)
    yield Count("addition", modes * 2 * own, modes * tangent * swept)
    yield Count("single task", modes * 2 * own, modes * tangent * own)
    swept = sum(
        points * (sizes[task].validation + control.validation) + sizes[task].test + control.test
        for task in tasks
    )
    # A task's own images have their products already.
    on_control = len(tasks) * (control.validation + control.test)
    yield Count("negation", modes * 2 * on_control, modes * tangent * swept)
    minimum = baseline = 0
    for pair in config.pairs_of(model):
        shown = [min(config.disentanglement.images, sizes[task].test) for task in pair]
        minimum += sum(shown)  # of the partner's vector; the own one is there
        baseline += config.disentanglement.points**2 * sum(shown)
    yield Count("heat maps", modes * 2 * minimum, modes * tangent * baseline)


def passes_of_ours(config: Config, model: str) -> int:
    """Passes of the workflow's jobs, as `snakemake estimate` counts them."""
    held = {config.base_model(name): 1 for name in config.all_models}
    return round(
        sum(
            jobs.count * COST[jobs.work.kind] * jobs.work.images
            for jobs in jobs_of(config, held)
            if jobs.stage in OURS and jobs.model == model and jobs.work
        )
    )


def study(path: str) -> Config:
    """A study's configuration, as Snakemake merges it over config.yaml."""
    merged: dict = {}
    for file in ["config.yaml", *extended_files(path)]:
        update_config(merged, yaml.safe_load(Path(file).read_text(encoding="utf-8")))
    return load_config(merged, path)


def _ratio(baseline: int, ours: int) -> float | None:
    return baseline / ours if ours else None
