"""What runs again after a change or a touch: no more than must; the locks of a killed run."""

import json
import os
import re
import shutil
import signal
import time

import pytest
import yaml
from conftest import read_json
from expected_jobs import (
    ADDED,
    CONFIGURED,
    MODES,
    TABLES,
    about,
    added,
    adopted,
    alone,
    chosen,
    edits,
    features,
    heat_maps,
    images_of,
    jobs,
    kernels,
    merged,
    of_model,
    of_random,
    products,
    summary,
    trained,
    tried,
)
from safetensors.torch import load_file
from small_study import CONTROL, NEW_TASK, RANDOM_TASK, SEED, TASKS
from workspace import ROOT, Workspace

PAGE = ROOT / "docs" / "reruns.md"


# The changes.
def configure(study, **changes):
    """Set keys of the study's configuration; dots separate levels."""
    # By way of JSON: YAML's aliases would make one data set's change that of all.
    text = (study.folder / "config.yaml").read_text(encoding="utf-8")
    config = json.loads(json.dumps(yaml.safe_load(text)))
    for path, value in changes.items():
        *levels, key = path.split("__")
        place = config
        for level in levels:
            place = place[level]
        place[key] = value
    study.write("config.yaml", config)


def edit(study, file, before=None, after="EDITED = 1"):
    """Change code of the study: `before`, or else its end."""
    if before is None:
        study.append(f"tangent/{file}", after)
    else:
        study.replace(f"tangent/{file}", before, after)


def touch_everything(study):
    later = time.time() + 60
    for name in ("Snakefile", "config.yaml", "rules", "scripts", "tangent", "envs", "shipped"):
        for file in [study.folder / name, *(study.folder / name).rglob("*")]:
            os.utime(file, (later, later))


def upgrade(study):
    for name in ("train", "report"):
        study.replace(f"envs/{name}.yaml", "numpy==", "numpy==0")


def add_model(study):
    source = yaml.safe_load((study.folder / "config.yaml").read_text())["pretrained"]["tiny"]
    configure(study, pretrained__other=source, models=["tiny", "other"])


REPLACED_DATA = (
    features(["counting"])
    | trained(["counting"])
    | edits(["counting"])
    | jobs("eigenfunctions of {task} (tiny, seed {seed})", task=TASKS, seed=SEED)
    | of_model("zero-shot accuracy", "tiny")
    | {f"check proposition 1 (tiny, seed {SEED})"}
)
# Tables whose raw results stay the same ones.
PROPOSITION1 = {"proposition1", "proposition1_functions"}
OF_SOME_MODELS = PROPOSITION1 | {"disentanglement", "eigenfunctions", "eigenvalues"}
OF_SOME_MODELS |= {"subsets", "per_task_alpha", "analogies"}
# What the table of docs/reruns.md says, in its order: how the change is made, what is planned.
ROWS = {
    "the epochs of one task": (
        lambda study: configure(study, finetuning__epochs__counting=2),
        trained(["counting"])
        | edits(["counting"])
        | summary(ADDED | {"single_task", "disentanglement"}),
    ),
    "the learning rate of the linear training": (
        lambda study: configure(study, finetuning__learning_rate__linear=2e-3),
        trained(TASKS, ["linear"])
        | edits(TASKS, modes=["linear"])
        | summary(ADDED | {"single_task", "disentanglement"}),
    ),
    "a grid in that learning rate's place": (
        lambda study: configure(
            study, finetuning__learning_rate__linear={"grid": [1e-4, 1e-3, 1e-2]}
        ),
        tried([1e-4, 1e-3, 1e-2])
        | chosen()
        | adopted()
        | about("task vector of", TASKS, modes=["linear"])
        | edits(TASKS, modes=["linear"])
        | summary(ADDED | {"single_task", "disentanglement", "learning_rates"}),
    ),
    "the α grid": (
        lambda study: configure(study, alphas__points=5),
        added(MODES)
        | added(MODES, model="tiny-random")
        | about("choose α of negating", TASKS)
        | about("task negation of", TASKS)
        | summary(ADDED),
    ),
    "the grid of the heat maps": (
        lambda study: configure(study, disentanglement__points=5),
        heat_maps(MODES)
        | {"collect the tidy table disentanglement", "collect the tidy table outcomes"}
        | {"draw figure3", "test the paper's claims", "write the report"},
    ),
    "the precision of evaluations": (
        lambda study: configure(study, compute__evaluation_autocast="bfloat16"),
        features((*TASKS, CONTROL))
        | features((RANDOM_TASK, CONTROL), "tiny-random")
        | (edits(TASKS) | of_random()) - (merged(MODES) | merged(MODES, model="tiny-random"))
        | of_model("zero-shot accuracy")
        | summary(ADDED | {"single_task", "disentanglement"}),
    ),
    "the memory for kernels, and for kept images": (
        lambda study: configure(study, compute__memory={"kernels": 1, "images": 1}),
        kernels()
        | jobs("collect the tidy table {t}", t=PROPOSITION1 | {"eigenfunctions", "eigenvalues"})
        | {f"check proposition 1 (tiny, seed {SEED})", "draw figure6", "draw proposition1"}
        | {"test the paper's claims", "write the report"},
    ),
    "a data set's number of images": (
        lambda study: configure(study, datasets__counting__test_images=50),
        images_of("counting") | REPLACED_DATA | summary(),
    ),
    "a task's class names or templates": (
        lambda study: edit(study, "tasks/counting.yaml", "templates:", "templates:\n  - 'a {}'"),
        images_of("counting")
        | {"build the zero-shot head of tiny for counting"}
        | REPLACED_DATA
        | summary(),
    ),
    "a new task": (
        lambda study: configure(study, tasks=[*TASKS, NEW_TASK]),
        images_of(NEW_TASK)
        | {f"build the zero-shot head of tiny for {NEW_TASK}"}
        | features([NEW_TASK])
        | trained([NEW_TASK])
        | edits([NEW_TASK], (*TASKS, NEW_TASK))
        | of_model("zero-shot accuracy", "tiny")
        | jobs("eigenfunctions of {task} (tiny, seed {seed})", task=TASKS, seed=SEED)
        | summary(TABLES - PROPOSITION1),
    ),
    "a new seed": (
        lambda study: configure(study, seeds=[SEED, 4]),
        {"draw random weights for tiny-random (seed 4)"}
        | trained(TASKS, seed=4)
        | trained([RANDOM_TASK], model="tiny-random", seed=4)
        | features((*TASKS, CONTROL), seed=4)
        | features((RANDOM_TASK, CONTROL), "tiny-random", seed=4)
        | edits(TASKS, seed=4)
        | of_random(seed=4)
        | of_model("zero-shot accuracy", seed=4)
        | kernels(seed=4)
        | {"check proposition 1 (tiny, seed 4)"}
        | summary(),
    ),
    "a new model": (
        add_model,
        {"get the model other"}
        | jobs("build the zero-shot head of other for {task}", task=(*TASKS, CONTROL))
        | trained(TASKS, model="other")
        | features((*TASKS, CONTROL), "other")
        | products((*TASKS, CONTROL), model="other")
        | alone(TASKS, MODES, model="other")
        | merged(MODES, model="other")
        | added(MODES, model="other")
        | of_model("zero-shot accuracy", "other")
        | summary(TABLES - OF_SOME_MODELS),
    ),
    "a figure's code": (
        lambda study: edit(study, "report/figures/figure6.py", "INPUTS =", "EDITED = 1\nINPUTS ="),
        {"draw figure6", "write the report"},
    ),
    "the report's template": (
        lambda study: edit(study, "report/report.html.j2", "<body", "<!-- edited -->\n<body"),
        {"write the report"},
    ),
    "a library module": (
        lambda study: edit(study, "training/loop.py", "import math", "EDITED = 1\nimport math"),
        trained(TASKS)
        | trained([RANDOM_TASK], model="tiny-random")
        | edits(TASKS)
        | of_random()
        | summary(ADDED | {"single_task", "disentanglement"}),
    ),
    "a module that reads, writes or reports results": (
        lambda study: [edit(study, f"jobs/{name}.py") for name in ("files", "progress")],
        set(),
    ),
    "the code of a data source or folder layout": (
        lambda study: [
            edit(study, f"data/sources/{name}.py") for name in ("hub", "synthetic", "packed_files")
        ],
        set(),
    ),
    "the code of a model family": (
        lambda study: [
            edit(study, f"models/{name}.py")
            for name in ("text_to_text", "fetch/text_models", "heads/answers", "heads/probe")
        ],
        set(),
    ),
    "a comment, a docstring, the layout of code": (
        lambda study: edit(
            study, "arithmetic/linearized.py", "from __future__", "# Words.\n\n\nfrom __future__"
        ),
        set(),
    ),
    "time stamps of code, configuration, shipped files": (touch_everything, set()),
    "versions of packages, `--sdm conda`, a container": (upgrade, set()),
}


def documented():
    """The table of the page: change -> (rules that run, rules that do not)."""
    text = PAGE.read_text(encoding="utf-8")
    groups = dict(re.findall(r"^- \*\*(?:A|The) (.+?)\*\*: ((?:.+\n)(?:  .+\n)*)", text, re.M))
    rows = re.findall(r"^\| (.+) \| (.+) \| .+ \|$", text, re.MULTILINE)[1:]
    assert len(groups) == 3
    table = {}
    for change, runs in rows:
        for name, members in groups.items():
            runs += members if re.search(rf"\bthe {name.partition(' of')[0]}\b", runs) else ""
        names = re.findall(r"`([a-z_0-9]+)`", runs)
        table[change] = set(names)
    return table


def test_the_page_has_a_row_for_each_change_and_each_has_a_test():
    assert list(documented()) == list(ROWS)


@pytest.mark.parametrize("change", ROWS)
def test_a_change_runs_what_its_row_says_and_nothing_else(change, study):
    make, expected = ROWS[change]
    configuration = (study.folder / "config.yaml").read_bytes()
    make(study)
    planned, rules = study.plan()
    if (study.folder / "config.yaml").read_bytes() != configuration:
        assert planned >= CONFIGURED
        planned -= CONFIGURED
    assert planned == expected
    assert set(rules) - {"total", "all", "resolved_config"} == documented()[change]


def test_a_second_run_has_nothing_to_do(finished):
    output = finished.snakemake()
    assert "Nothing to be done" in output


def test_the_code_of_a_data_sets_own_source_prepares_it_again(study):
    edit(study, "data/sources/demo_images.py")
    prepared = {job for job in study.planned() if job.startswith("prepare the images")}
    assert len(prepared) == len(TASKS) + 1


def test_two_settings_that_swap_their_values_are_noticed(study):
    configure(study, eigenfunctions__components=1, eigenfunctions__logits=3)
    assert any(job.startswith("eigenfunctions") for job in study.planned())


def test_jobs_can_be_forced_and_edits_be_left_out(study):
    expected = {"draw figure6", "write the report"}
    figure = study.folder / "results" / "tiny" / "figures" / "figure6.svg"
    assert study.planned("--forcerun", str(figure.relative_to(study.folder))) == expected
    figure.unlink()
    assert study.planned() == set()  # nothing that has to run reads it
    figure.with_suffix(".pdf").unlink()  # a target
    assert study.planned() == expected
    edit(study, "report/figures/figure2.py")
    assert study.planned() == expected | {"draw figure2"}
    assert study.planned("--rerun-triggers", "mtime") == expected
    study.snakemake("--touch")
    assert study.planned() == expected


def test_an_edit_during_a_run_is_noticed_by_the_next(study):
    """Jobs that start after it run the edited code, but are recorded with the old fingerprint."""
    wait = "open('started', 'w')\nwhile not Path('edited').exists():\n    time.sleep(0.05)"
    edit(study, "results/collect.py", after=f"import time\nfrom pathlib import Path\n\n{wait}")
    edit(study, "report/figures/figure6.py")
    figure = "results/tiny/figures/figure6.svg"
    run = study.start(figure)
    while not (study.folder / "started").exists():
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.05)
    study.replace("tangent/report/figures/figure6.py", "EDITED = 1", "EDITED = open('edited')")
    (study.folder / "edited").touch()
    output, _ = run.communicate()
    assert run.returncode == 0 and "draw figure6" in output, output
    assert study.planned(figure) == {"draw figure6"}


@pytest.fixture
def half(sources, tmp_path):
    """A fresh copy of the sources."""
    shutil.copytree(sources.folder, tmp_path / "study")
    return Workspace(tmp_path / "study")


def without_provenance(result):
    return {name: value for name, value in result.items() if name != "provenance"}


def test_locks_of_a_killed_run_do_not_stop_the_next_and_those_of_a_live_one_do(study):
    study.replace(
        "tangent/report/figures/figure6.py", "INPUTS =", "import time\n\ntime.sleep(60)\nINPUTS ="
    )
    live = study.start("figure6")
    locks = study.folder / ".snakemake" / "locks"
    while not (locks.exists() and len(list(locks.iterdir())) == 2):
        assert live.poll() is None, live.communicate()[0]
        time.sleep(0.05)
    assert "locked" in study.snakemake("figure6", fails=True)
    os.killpg(live.pid, signal.SIGKILL)
    live.communicate()
    assert list(locks.iterdir())
    study.replace("tangent/report/figures/figure6.py", "time.sleep(60)", "time.sleep(0)")
    study.snakemake("figure6")


def test_locks_of_another_machine_are_named_and_removed_by_hand(study):
    study.replace("tangent/report/figures/figure6.py", "INPUTS =", "EDITED = 1\nINPUTS =")
    (study.folder / ".snakemake" / "running").write_text("another-node")
    lock = study.folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/tiny/figures/figure6.svg\n")
    output = study.snakemake("figure6", fails=True)
    assert "the last Snakemake here ran on another-node and left its locks" in output
    study.snakemake("--unlock")
    study.snakemake("figure6")


def made(folder, *patterns):
    """Content and time stamp of the files that match."""
    files = [file for pattern in patterns for file in folder.glob(pattern) if file.is_file()]
    assert len(files) >= len(patterns)
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def numbers(file):
    """A result without its provenance."""
    if file.suffix == ".safetensors":
        return {name: value.tolist() for name, value in load_file(file).items()}
    return without_provenance(read_json(file)) if file.suffix == ".json" else file.read_bytes()


def test_a_new_seed_and_a_new_task_change_no_old_result_and_are_as_from_nothing(half, results):
    folder, resources = half.folder / "results" / "tiny", half.folder / "resources"
    of_shapes = (
        "results/tiny/task_vectors/tiny/linear/shapes/seed{}/task_vector.safetensors",
        "results/tiny/features/tiny/initial/shapes/seed{}/test.safetensors",
    )
    whole = yaml.safe_load((half.folder / "config.yaml").read_text(encoding="utf-8"))
    before = ["shapes", NEW_TASK]  # a study has two tasks at least; of this one nothing is made
    configure(half, disentanglement__pairs=[before], eigenfunctions__tasks=before)
    configure(half, tasks=before, seeds=[4])
    half.snakemake(*(name.format(4) for name in of_shapes))
    old = made(folder, "heads/*/*/*", "f*/**/seed4/*", "task_vectors/**/seed4/*")
    old |= made(resources, "pretrained/*/*", "datasets/*/shapes/*")
    configure(half, seeds=[4, SEED])
    half.snakemake(*(name.format(SEED) for name in of_shapes))
    old |= made(folder, "f*/**/seed3/*", "task_vectors/**/seed3/*")
    half.write("config.yaml", whole | {"seeds": [4, SEED]})
    half.snakemake(f"results/tiny/addition/tiny/linear/sum/seed{SEED}/result.json")
    assert old == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in old}
    new = [file.relative_to(folder) for file in folder.glob("*/tiny/**/seed3/*") if file.is_file()]
    assert {name.parts[0] for name in new} >= {"finetuned", "features", "products", "addition"}
    for name in new:
        if name.name != "metrics.json":  # seconds
            assert numbers(folder / name) == numbers(results / name), name
