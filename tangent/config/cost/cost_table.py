"""The estimate as plain text, about 100 columns wide."""

import textwrap
from collections.abc import Sequence
from math import ceil
from typing import Any

from tangent.config.cost.study import MARGIN, SECONDS_TO_START, Costs, StudyCost
from tangent.config.cost.throughput import CPU

WIDTH = 100

_MEANING = {
    "assumed": "assumed: arithmetic, at a share of the GPU's peak; expect a factor of two.",
    "measured": "measured: this model's images per second on this device "
    "(tangent/config/cost/measured.yaml).",
    "scaled": "scaled: arithmetic, at the speed of another model measured on this device; rough.",
}


def as_text(costs: Costs, found: StudyCost) -> str:
    """The whole estimate: stages, models, downloads, and how it was made."""
    device = costs.machine.device
    unit = "CPU-h" if device == CPU else "GPU-h"
    where = "1 CPU job at a time" if device == CPU else device
    title = f"Estimate for the study {costs.config.study}, from nothing, on {where}"
    columns = ["jobs", "with a model", unit, "peak memory"]
    stages = [["stage", *columns, "results", "resources", "time is"]]
    for cost in [*found.stages.itertuples(), *found.total.assign(basis="").itertuples()]:
        stages.append([*_cost(cost), _bytes(cost.results), _bytes(cost.resources), cost.basis])
    models = map(_cost, found.models.itertuples())
    parts = [
        f"{title}\n{'=' * len(title)}",
        _table(stages),
        _table([["model", *columns], *models]),
        _table([["rule", "takes", "limit", "longest job"], *_longest(found)]),
        _table(_download_rows(found)),
        _notes(costs, found),
    ]
    return "\n\n".join(parts) + "\n"


def _longest(found: StudyCost) -> list[list[str]]:
    return [
        [job.Index, _minutes(job.takes / 60), _minutes(job.minutes), job.wildcards]
        for job in found.longest.itertuples()
    ]


def _download_rows(found: StudyCost) -> list[list[str]]:
    rows = [["download", "size", "size from"]]
    for download in found.downloads:
        size = "unknown" if download.size is None else _bytes(download.size)
        rows.append([download.what, size, download.source])
    known = [download.size for download in found.downloads if download.size is not None]
    if not found.downloads:
        return [*rows, ["nothing", "0", "nothing is fetched"]]
    is_partial = len(known) < len(found.downloads)
    return [*rows, ["total", ("at least " if is_partial else "") + _bytes(sum(known)), ""]]


def _cost(cost: Any) -> list[str]:
    hours = cost.seconds / 3600
    shown = f"{hours:.{1 if hours >= 10 else 2}f}" if cost.model_jobs else ""
    numbers = str(cost.jobs), str(cost.model_jobs or "")
    return [cost.Index, *numbers, shown, _bytes(cost.memory)]


def _notes(costs: Costs, found: StudyCost) -> str:
    machine, compute = costs.machine, costs.config.compute
    bases = found.total.basis.item()
    lines = [meaning for basis, meaning in _MEANING.items() if basis in bases]
    if machine.gpu is not None:
        gpu = machine.gpu
        lines.append(
            f"Peak: {gpu.bfloat16:g} TFLOP/s in bfloat16, {gpu.float32:g} in float32, "
            f"{gpu.memory:g} GB ({gpu.source}); assumed share {machine.utilization:g}."
        )
        lines.append(
            f"Trainings in {_precision(compute.autocast)}, evaluations in "
            f"{_precision(compute.evaluation_autocast)}, kernels in float32."
        )
        for stage, keys in found.remedies.items():
            peak = _bytes(found.stages.memory[stage])
            what_helps = ", ".join(keys) or "no key"
            lines.append(
                f"WARNING: {stage} takes {peak}, more than this GPU has. What helps: {what_helps}."
            )
    lines += [
        f"Each job with a model is given {SECONDS_TO_START[machine.kind]:g} s to start. Decoding "
        "data sets and jobs without a model run on CPUs and are not in the hours.",
        "Memory is by formula. Data sets are as kept decoded, at most.",
        f"A limit is {MARGIN} times what the rule's job takes, or more; a cluster's retries get a "
        "multiple.",
        f"A training keeps {_bytes(found.training_state)} to resume from while it runs. Downloads "
        "stay in the Hugging Face cache, beside results and resources.",
    ]
    indents = {"initial_indent": "- ", "subsequent_indent": "  "}
    # Names of models have hyphens.
    filled = (textwrap.fill(line, WIDTH, break_on_hyphens=False, **indents) for line in lines)
    return "\n".join(filled)


def _minutes(minutes: float) -> str:
    return f"{ceil(minutes)} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _precision(autocast: str) -> str:
    return "bfloat16 autocast" if autocast == "bfloat16" else "float32"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first and the last to the left; a rule under the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in [rows[0], ["-" * width for width in widths], *rows[1:]]:
        shown = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *shown, last]).rstrip())
    return "\n".join(lines)


def _bytes(size: float) -> str:
    if size == 0:
        return ""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
