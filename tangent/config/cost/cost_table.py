"""The estimate as plain text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tangent.config.cost.study import SECONDS_TO_START, Costs, Estimate, StageCost
from tangent.config.cost.throughput import CPU

WIDTH = 100

_MEANING = {
    "measured": "measured: this model's images per second on this device "
    "(tangent/config/cost/measured.yaml).",
    "scaled": "scaled: arithmetic, at the speed of another model measured on this device; rough.",
    "assumed": "assumed: arithmetic, at a share of the GPU's peak; expect a factor of two.",
}


def as_text(costs: Costs, found: Estimate) -> str:
    """The whole estimate: stages, models, downloads, and how it was made."""
    device = costs.machine.device
    unit = "CPU-h" if device == CPU else "GPU-h"
    where = "1 CPU job at a time" if device == CPU else device
    title = f"Estimate for the study {costs.config.study}, from nothing, on {where}"
    parts = [
        f"{title}\n{'=' * len(title)}",
        _table(_stage_rows(found, unit)),
        _table(_model_rows(found, unit)),
        _table(_download_rows(found)),
        _notes(costs, found),
    ]
    return "\n\n".join(parts) + "\n"


def _stage_rows(found: Estimate, unit: str) -> list[list[str]]:
    rows = [
        ["stage", "jobs", "with a model", unit, "peak memory", "results", "resources", "time is"]
    ]
    for name, cost in found.stages.items():
        basis = " + ".join(sorted(cost.bases))
        rows.append([name, *_cost(cost), _bytes(cost.results), _bytes(cost.resources), basis])
    total = sum(found.stages.values(), StageCost())
    return [*rows, ["total", *_cost(total), _bytes(total.results), _bytes(total.resources), ""]]


def _model_rows(found: Estimate, unit: str) -> list[list[str]]:
    rows = [["model", "jobs", "with a model", unit, "peak memory"]]
    return [*rows, *([name, *_cost(cost)] for name, cost in found.models.items())]


def _download_rows(found: Estimate) -> list[list[str]]:
    rows = [["download", "size", "size from"]]
    for download in found.downloads:
        size = "unknown" if download.size is None else _bytes(download.size)
        rows.append([download.what, size, download.source])
    known = [download.size for download in found.downloads if download.size is not None]
    if not found.downloads:
        return [*rows, ["nothing", "0", "nothing is fetched"]]
    is_partial = len(known) < len(found.downloads)
    return [*rows, ["total", ("at least " if is_partial else "") + _bytes(sum(known)), ""]]


def _cost(cost: StageCost) -> list[str]:
    hours = cost.seconds / 3600
    shown = f"{hours:.{1 if hours >= 10 else 2}f}" if cost.model_jobs else ""
    return [str(cost.jobs), str(cost.model_jobs or ""), shown, _bytes(cost.memory)]


def _notes(costs: Costs, found: Estimate) -> str:
    machine, compute = costs.machine, costs.config.compute
    bases = sorted({basis for cost in found.stages.values() for basis in cost.bases})
    lines = [_MEANING[basis] for basis in bases]
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
        largest = max(cost.memory for cost in found.stages.values())
        if largest > gpu.memory * 1e9:
            lines.append(
                f"WARNING: {_bytes(largest)} do not fit into this GPU: see finetuning.models "
                "(accumulation_steps, activation_checkpointing)."
            )
    lines += [
        f"Each job with a model is given {SECONDS_TO_START[machine.kind]:g} s to start. Decoding "
        "data sets and jobs without a model run on CPUs and are not in the hours.",
        "Memory is by formula. Data sets are as kept decoded, at most.",
        f"A training keeps {_bytes(found.training_state)} to resume from while it runs. Downloads "
        "stay in the Hugging Face cache, beside results and resources.",
    ]
    indents = {"initial_indent": "- ", "subsequent_indent": "  "}
    return "\n".join(textwrap.fill(line, WIDTH, **indents) for line in lines)


def _precision(autocast: str) -> str:
    return "bfloat16 autocast" if autocast == "bfloat16" else "float32"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first and the last to the left; a rule under the header."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    widths[-1] = min(widths[-1], WIDTH - sum(widths[:-1]) - 2 * (len(widths) - 1))
    lines = [_row(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle, last = row
    if len(last) > widths[-1]:
        last = last[: widths[-1] - 1] + "…"
    cells = [first.ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
    return "  ".join([*cells, last]).rstrip()


def _bytes(size: float) -> str:
    if size == 0:
        return ""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
