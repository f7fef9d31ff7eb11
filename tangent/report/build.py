"""The report: a study's tables, figures, configuration and provenance in one HTML page."""

import html
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from tangent.config.load import load_config
from tangent.config.schema import Config
from tangent.jobs.errors import UserError
from tangent.jobs.provenance import note_inputs
from tangent.jobs.yaml_files import read_yaml
from tangent.report import comparison_tables, report_tables
from tangent.report.figures.catalogue import FIGURES, Caption, figures_of, load_figure
from tangent.report.inventory import (
    EDITING_STEPS,
    jobs_of,
    provenance,
    published_weights,
    usage,
    wall_clock,
)
from tangent.results.claims_text import OTHER_NOTE, THESE_NOTE, VERDICT_NOTE, readable_claims
from tangent.results.columns import tables_of
from tangent.results.paper_numbers import are_paper_tasks, citation, paper_models, paper_numbers
from tangent.results.paper_tables import PAPER_TABLES, paper_table, seeds_note
from tangent.results.read_tables import read_tables
from tangent.results.render import Table
from tangent.results.studied import Tables

_FOLDER = Path(__file__).parent
_TABLES = {
    "single_task", "addition", "addition_tasks", "negation", "random_init", "claims", "comparison",
    "merging", "per_task_alpha", "analogies", "learning_rates", "alpha_sweep",
}  # fmt: skip
_MARKS = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?", "not run": "–"}


def build_report(folder: Path) -> str:
    """The report of the study whose results lie in `folder`, as HTML.

    Raises:
        UserError: the configuration, a table, a figure or a data set's description is missing, or
            a job's record cannot be read.
    """
    config = read_configuration(folder / "config.yaml")
    tables = read_tables(folder / "tables", [name for name in tables_of(config) if name in _TABLES])
    jobs = jobs_of(config, folder)
    steps, modes = usage(jobs, folder / "benchmarks")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    environment.filters["cited"] = cited
    paper_tasks = are_paper_tasks(config.tasks, config.control)
    compared = [model for model in config.models if paper_tasks and model in paper_models()]
    figures = {name: folder / "figures" / f"{name}.svg" for name in figures_of(config)}
    made = provenance(config, jobs)
    page = environment.get_template("report.html.j2").render(
        style=(_FOLDER / "style.css").read_text(encoding="utf-8"),
        script=(_FOLDER / "report.js").read_text(encoding="utf-8"),
        references=paper_numbers()["references"].values(),
        paper=citation("paper"),
        paper_models=paper_models(),
        command=f"snakemake --cores all --configfile {folder / 'config.yaml'}",
        wall_clock=wall_clock(made.finished, folder / "benchmarks"),
        config=config,
        config_text=(folder / "config.yaml").read_text(encoding="utf-8"),
        other_scale=[model for model in config.models if model not in compared],
        other_models=[model for model in config.models if model not in paper_models()],
        paper_tasks=paper_tasks,
        claims=readable_claims(tables["claims"]),
        notes=f"{THESE_NOTE} {OTHER_NOTE} {VERDICT_NOTE}",
        marks=_MARKS,
        headline=report_tables.headline(tables),
        comparisons=_comparisons(tables, config, compared),
        tasks_against_rerun=[
            comparison_tables.tasks_against_rerun(tables["comparison"], model) for model in compared
        ],
        table3=paper_table("table3", tables),
        per_task=[report_tables.per_task(tables, model) for model in config.models],
        beyond_paper=report_tables.beyond_paper(tables),
        learning_rates=(
            report_tables.learning_rates(tables["learning_rates"]) if config.searches else []
        ),
        later_work=comparison_tables.later_work(),
        figures={name: shown(name, path, config) for name, path in figures.items()},
        sweeps=[report_tables.sweep(tables["alpha_sweep"], model) for model in config.models],
        first_alpha=tables["addition"].alpha.iloc[0] if len(tables["addition"]) else 0,
        steps=steps,
        modes=modes,
        editing_steps=EDITING_STEPS,
        provenance=made,
        published=published_weights(config, folder),
    )
    # All tables: their jobs' records are where times, versions and hashes come from.
    read = [folder / "tables" / f"{name}.csv" for name in tables_of(config)]
    read += [folder / "tables" / f"{name}.md" for name in PAPER_TABLES]
    note_inputs([folder / "config.yaml", *read, *figures.values()])
    return page


def read_configuration(path: Path) -> Config:
    """Read and check a study's resolved configuration (config.yaml beside its results).

    Raises:
        UserError: the file is missing, is not YAML, or is not a valid configuration.
    """
    if not path.exists():
        raise UserError(
            f"{path} does not exist: `snakemake --cores 2 tables` writes the configuration there."
        )
    return load_config(read_yaml(path), source=str(path))


def caption_of(figure: str, config: Config) -> Caption:
    """The text around a figure, with what it says of the study filled in."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    known = {"config": config, "seeds": len(config.seeds), "comb": math.comb}
    texts = load_figure(figure).CAPTION
    return Caption(*(environment.from_string(text).render(known) for text in texts))


def _comparisons(tables: Tables, config: Config, compared: list[str]) -> list[Table]:
    """Single tasks, addition, negation: `compared` against the paper, other models beside it."""
    comparison, claims = tables["comparison"], tables["claims"]
    others = [model for model in config.models if model not in compared]
    of_paper = paper_numbers()["family"]
    is_family = of_paper in set(claims[claims.model.isin(others)].family)
    shown = []
    for kind, notes in (
        (comparison_tables.SINGLE_TASK, [seeds_note(tables["single_task"])]),
        (comparison_tables.ADDITION, paper_table("table1", tables).notes),
        (comparison_tables.NEGATION, paper_table("table2", tables).notes),
    ):
        if compared:
            shown.append(comparison_tables.against_paper(comparison, kind, notes))
        if others:
            shown.append(comparison_tables.beside_paper(comparison, kind, others, notes, is_family))
    return shown


class Shown(NamedTuple):
    """A figure as the page shows it.

    Attributes:
        sources: the tidy tables that it is drawn from.
        numbers: what the page's script shows of it, as JSON has it; None without.
    """

    caption: Caption
    svg: Markup
    sources: tuple[str, ...]
    numbers: Any


def shown(name: str, path: Path, config: Config) -> Shown:
    """The figure `name` of a study, whose SVG file is `path`.

    Raises:
        UserError: the file or a table is missing.
    """
    caption, module = caption_of(name, config), load_figure(name)
    svg, numbers = inline_svg(path, caption.title), None
    if hasattr(module, "numbers"):
        numbers = module.numbers(read_tables(path.parents[1] / "tables", FIGURES[name]))
    return Shown(caption, svg, FIGURES[name], numbers)


def cited(text: str) -> Markup:
    """A text whose citations `[n]` are links."""
    escaped = str(Markup.escape(text))
    return Markup(re.sub(r"\[(\d+)\]", r'<a href="#reference\1">[\1]</a>', escaped))


def inline_svg(path: Path, title: str) -> Markup:
    """The `<svg>` element of a figure file; for screen readers `title` and what the file's says.

    Ids get the file's name in front: two figures of one page must not share one.

    Raises:
        UserError: the file is missing or holds no SVG.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: the rule plot makes it; run `snakemake --cores 2 figures`."
        ) from None
    start = text.find("<svg")
    if start < 0:
        raise UserError(f"{path} is not an SVG file: delete it and run the rule plot again.")
    seen = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    # The file's own style rule would apply to the whole page, and its title pop up over it.
    svg = re.sub(r"<(metadata|style|title)\b.*?</\1>", "", text[start:], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{path.stem}-", svg)
    label = Markup.escape(f"{title}. {html.unescape(seen[1])}" if seen else title)
    # How wide it was drawn: a small figure is not to be blown up to the page's width.
    width = re.search(r'<svg [^>]*\bwidth="([\d.]+pt)"', svg)
    style = f' style="--drawn: {width[1]}"' if width else ""
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{label}"{style} ', 1))


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 42 s, 3 min 5 s, 2 h 4 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
