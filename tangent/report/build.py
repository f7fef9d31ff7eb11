"""Put a study's tables, figures, configuration and provenance into one HTML page."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pandas as pd

from tangent.config.schema import Config
from tangent.jobs.provenance import note_inputs
from tangent.report import (
    combination_tables,
    comparison_tables,
    learning_rate_section,
    merging_section,
    report_tables,
)
from tangent.report.figures.catalogue import figures_of, load_figure
from tangent.report.inventory import EDITING_STEPS, provenance, published_weights, usage
from tangent.report.svg import inline_svg
from tangent.results.claims_text import (
    OTHER_NOTE,
    THESE_NOTE,
    VERDICT_NOTE,
    claims_by_family,
    readable_claims,
)
from tangent.results.configuration import read_configuration
from tangent.results.paper_numbers import are_paper_tasks, is_paper_model, paper_family
from tangent.results.paper_tables import paper_table, seeds_note
from tangent.results.read_tables import TablesOf, table_path
from tangent.results.render import Table

_FOLDER = Path(__file__).parent
_MARKS = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?", "not run": "–"}


def build_report(folder: Path) -> str:
    """The report of the study whose results lie in `folder`, as HTML.

    Raises:
        UserError: the configuration, a table, a figure or a data set's description is missing.
    """
    config = read_configuration(folder / "config.yaml")
    tables = TablesOf(folder / "tables")
    steps, modes = usage(config, folder / "benchmarks")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    claims = readable_claims(tables["claims"])
    paper_tasks = are_paper_tasks(config.tasks, config.control)
    compared = [model for model in config.models if paper_tasks and is_paper_model(model)]
    page = environment.get_template("report.html.j2").render(
        style=(_FOLDER / "style.css").read_text(encoding="utf-8"),
        config=config,
        config_text=(folder / "config.yaml").read_text(encoding="utf-8"),
        other_scale=[model for model in config.models if model not in compared],
        other_models=[model for model in config.models if not is_paper_model(model)],
        paper_tasks=paper_tasks,
        claims=claims_by_family(claims),
        # The whole grid repeats the search box's claims on a wider range: not for the first screen.
        main_claims=[row for row in claims if not row["claim"].endswith("_whole_grid")],
        notes=f"{THESE_NOTE} {OTHER_NOTE} {VERDICT_NOTE}",
        counts=tables["claims"].verdict.value_counts().to_dict(),
        marks=_MARKS,
        headline=report_tables.headline(tables),
        comparisons=_comparisons(tables, config, compared),
        tasks_against_rerun=[
            comparison_tables.tasks_against_rerun(tables["comparison"], model) for model in compared
        ],
        table3=paper_table("table3", tables),
        per_task=[report_tables.per_task(tables, model) for model in config.models],
        beyond_paper=[
            *(merging_section.merging_tables(tables["merging"]) if config.merging[1:] else []),
            *(combination_tables.beyond_paper(tables) if config.combinations.models else []),
        ],
        learning_rates=(
            learning_rate_section.search_tables(tables["learning_rates"]) if config.searches else []
        ),
        later_work=comparison_tables.later_work(),
        figures=[
            (name, caption, inline_svg(_figure_path(folder, name), caption.title))
            for name in figures_of(config)
            for caption in [load_figure(name).caption(config)]
        ],
        steps=steps,
        modes=modes,
        editing_steps=EDITING_STEPS,
        provenance=provenance(config, folder),
        published=published_weights(config, folder),
    )
    read = [table_path(folder / "tables", name) for name in tables]
    read += [_figure_path(folder, name) for name in figures_of(config)]
    note_inputs([folder / "config.yaml", *read])
    return page


def _figure_path(folder: Path, name: str) -> Path:
    return folder / "figures" / f"{name}.svg"


def _comparisons(
    tables: dict[str, pd.DataFrame], config: Config, compared: list[str]
) -> list[Table]:
    """Single tasks, addition, negation: `compared` against the paper, other models beside it."""
    comparison = tables["comparison"]
    others = [model for model in config.models if model not in compared]
    claims = tables["claims"]
    same_family = bool((claims[claims.model.isin(others)].family == paper_family()).any())
    kinds = (
        (comparison_tables.SINGLE_TASK, (seeds_note(tables["single_task"]),)),
        (comparison_tables.ADDITION, paper_table("table1", tables).notes),
        (comparison_tables.NEGATION, paper_table("table2", tables).notes),
    )
    shown = []
    for kind, notes in kinds:
        if compared:
            shown.append(comparison_tables.against_paper(comparison, kind, notes))
        if others:
            shown.append(
                comparison_tables.beside_paper(comparison, kind, others, notes, same_family)
            )
    return shown


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 42 s, 3 min 5 s, 2 h 4 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
