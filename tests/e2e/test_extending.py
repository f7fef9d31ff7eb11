"""The exercises of docs/extending.md, done on a copy of the sources beside a finished study."""

import csv
import re
from itertools import product

import pytest
import yaml
from expected_jobs import (
    ADDED,
    LINEARIZED,
    MODES,
    about,
    added,
    alone,
    heat_maps,
    merged,
    summary,
    trained,
)
from small_study import TASKS
from workspace import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)+)", PAGE, re.M))
# Of a block: the file that the text before it names, its language, its content.
BLOCK = re.compile(
    r"(?:[Tt]he file `(?P<file>[\w./]+)`:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.S
)
CONFIGURED = "keep the study's configuration beside its results"


def exercise(study, name):
    """Make the section's files; returns its other blocks, of code and of configuration."""
    code, settings = [], []
    for block in BLOCK.finditer(SECTIONS[name]):
        if block["file"]:
            path = study.folder / block["file"]
            assert not path.exists()
            path.write_text(block["text"], encoding="utf-8")
        else:
            (code if block["kind"] == "python" else settings).append(block["text"])
    return code, settings


def planned(study, settings=""):
    """What runs with some settings over the study's."""
    if not settings:
        return study.planned()
    study.write("more.yaml", yaml.safe_load(settings))
    return study.planned("--configfile", "more.yaml") - {CONFIGURED}


def test_a_grid_of_alpha(study):
    _, (settings,) = exercise(study, "Another grid of α")
    assert planned(study, settings) == (
        added(MODES)
        | added(MODES, model="tiny-random")
        | about("choose α of negating", TASKS)
        | about("task negation of", TASKS)
        | summary(ADDED)
    )


def test_a_way_of_merging(study):
    _, (settings,) = exercise(study, "A way of merging task vectors")
    assert planned(study) == set()  # nothing uses it yet
    ours = {
        job.replace("by sum", "by ties")
        for job in merged(MODES) | added(MODES)
        if "combinations" not in job
    }
    what = "Jacobian-vector products of ties on"
    ours |= about(what, TASKS, modes=LINEARIZED)
    assert planned(study, settings) == ours | {"collect the tidy table merging", "write the report"}
    study.snakemake("--configfile", "more.yaml")
    results = study.folder / "results" / "tiny"
    with open(results / "tables" / "merging.csv", newline="") as file:
        rows = {(row["mode"], row["merging"]): row for row in csv.DictReader(file)}
    assert set(rows) == set(product(MODES, ("sum", "ties")))
    assert rows["linear", "sum"]["absolute"] != rows["linear", "ties"]["absolute"]
    assert "ways of merging the task vectors" in (results / "report" / "index.html").read_text()


def test_a_training(study):
    (entry,), (settings,) = exercise(study, "A training")
    last = '    "linear": Training("linearized"),\n'
    study.replace("tangent/arithmetic/modes.py", last, last + entry)
    assert planned(study) == set()  # nothing uses it yet
    new = {"modes": ["attention"]}
    ours = trained(TASKS, ["attention"]) | alone(TASKS, **new) | merged(**new) | added(**new)
    ours |= heat_maps(**new)
    jobs = planned(study, settings) - summary()
    assert {job for job in jobs if "random" not in job} == ours
    table = "results/tiny/tables/addition.csv"
    study.snakemake(table, "--configfile", "more.yaml")
    with open(study.folder / table, newline="") as file:
        assert [row["mode"] for row in csv.DictReader(file)] == [*MODES, "attention"]


def test_a_figure(study):
    exercise(study, "A figure")
    assert planned(study) == {"draw single_tasks", "write the report"}
    study.snakemake()
    results = study.folder / "results" / "tiny"
    assert (results / "figures" / "single_tasks.pdf").exists()
    assert "A mean hides the tasks." in (results / "report" / "index.html").read_text("utf-8")


def test_a_claim(study):
    (entry,), _ = exercise(study, "A claim")
    start = "CLAIMS: tuple[Claim, ...] = (\n"
    study.replace("tangent/results/claims_table.py", start, start + entry)
    assert planned(study) == {"test the paper's claims", "write the report"}
    study.snakemake("claims")
    with open(study.folder / "results/tiny/tables/claims.csv", newline="") as file:
        (row,) = (
            row for row in csv.DictReader(file) if row["claim"] == "linear_posthoc_normalized"
        )
    assert row["verdict"] in ("reproduced", "not reproduced", "undecided")


def test_a_data_set_of_the_hub(study):
    _, (settings,) = exercise(study, "A data set")
    jobs = planned(study, settings)
    assert any(re.search(r"data set beans|beans .*hub|find .*beans", job) for job in jobs)
    assert {job for job in jobs if job.startswith("fine-tune")} == {
        f"fine-tune tiny on beans ({training}, seed 3)" for training in ("standard", "linear")
    }


@pytest.fixture
def with_stripes(study):
    (entry,), (settings,) = exercise(study, "A source of data sets")
    registry, start = (
        "tangent/data/sources/locating.py",
        "DATA_SOURCES: Registry[type[Source]] = {\n",
    )
    study.replace(registry, start, start + entry)
    line = "from tangent.data.sources.synthetic import Synthetic\n"
    study.replace(registry, line, f"from tangent.data.sources.stripes import Stripes\n{line}")
    return study, settings


def test_a_source_of_data_sets(with_stripes):
    study, settings = with_stripes
    assert planned(study) == set()  # nothing uses it yet
    jobs = planned(study, settings)
    assert {job for job in jobs if job.startswith(("prepare", "fine-tune"))} == {
        "prepare the images of counting in 32 pixels",
        *(
            f"fine-tune tiny on counting ({training}, seed 3)"
            for training in ("standard", "linear")
        ),
    }
    study.snakemake("data", "--configfile", "more.yaml")
