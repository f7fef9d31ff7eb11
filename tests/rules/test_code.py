"""The tables in rules/ say what a script really runs and what a figure really reads."""

import ast

import pytest
from imports import ROOT, used_modules

from tangent.data.sources import locating as registry
from tangent.data.sources.from_torchvision import COPIES
from tangent.data.sources.layouts import places as layouts
from tangent.training.pretraining.objectives import OBJECTIVES

# They read, write, record or report a result but do not make it.
NEUTRAL = {
    "tangent.jobs.errors",
    "tangent.jobs.files",
    "tangent.jobs.record",
    "tangent.jobs.out_of_memory",
}
NEUTRAL |= {"tangent.jobs.progress", "tangent.jobs.provenance"}
# It decides which run may write, not what.
NEUTRAL |= {"tangent.jobs.locks"}
# A job's own entry of this registry is one of its parameters.
NEUTRAL |= {"tangent.results.columns"}
# They pick the GPU, not what it computes.
NEUTRAL |= {"tangent.jobs.gpus", "tangent.jobs.gpu_lease", "scripts.cli"}


def assignments(name):
    """The constants at the top of a file of rules/ that is plain Python."""
    tree = ast.parse((ROOT / "rules" / name).read_text(encoding="utf-8"))
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                expression = compile(ast.Expression(node.value), name, "eval")
                values[node.targets[0].id] = eval(expression, {}, values)
            except NameError:
                break  # from here on, constants depend on the configuration
    return values


def module_names(listed):
    return {f"tangent.{name}" for name in listed.split()}


CONSTANTS = assignments("common.smk") | assignments("code.smk")
CODE = CONSTANTS["CODE"]
# Scripts that import one module of a package, by its name.
PACKAGE_OF_PARTS = {"plot": "tangent.report.figures.catalogue", "derive_table": "tangent.results"}
PACKAGE_OF_PARTS |= {"pretrain": "tangent.training.pretraining.objectives"}
LAYOUTS = "tangent.data.sources.layouts.places"
OF_ALL_TASKS = NEUTRAL | module_names(
    f"datasets.sources.base datasets.sources.rows {CONSTANTS['TASKS']}"
)


@pytest.mark.parametrize("step", CODE)
def test_a_step_lists_the_modules_that_its_script_uses(step):
    script, *parts = step.split()
    used = used_modules(f"scripts.{script}")
    for name in parts:
        used |= used_modules(f"{PACKAGE_OF_PARTS[script]}.{name}")
    used -= NEUTRAL | {f"scripts.{script}"}
    listed = CODE[step].split()
    assert len(listed) == len(set(listed)), f"{step} lists a module twice"
    modules = {name if name.startswith("scripts.") else f"tangent.{name}" for name in listed}
    modules = {name for name in modules if "/" not in name}
    assert modules == used, (
        f"rules/code.smk, CODE[{step!r}]: missing {sorted(used - modules)}, "
        f"not used {sorted(modules - used)}"
    )


@pytest.mark.parametrize("source", registry.OPEN)
def test_a_source_lists_its_own_modules(source):
    used = used_modules(registry.OPEN[source].function.__module__)
    of_layouts = {name for name in used if name.startswith(f"{LAYOUTS}.")} - {f"{LAYOUTS}.layout"}
    assert module_names(CONSTANTS["SOURCE_CODE"][source]) == used - of_layouts - OF_ALL_TASKS
    assert set(CONSTANTS["SOURCE_CODE"]) == set(registry.OPEN)


@pytest.mark.parametrize("task", layouts.LAYOUTS)
def test_a_layout_lists_its_own_modules(task):
    used = used_modules(layouts.LAYOUTS[task].read.__module__)
    listed = module_names(CONSTANTS["LAYOUT_CODE"][task])
    assert listed == used - OF_ALL_TASKS
    if task in COPIES:
        assert used_modules(COPIES[task].layout.read.__module__) <= listed | OF_ALL_TASKS
    assert set(CONSTANTS["LAYOUT_CODE"]) == set(layouts.LAYOUTS)


def test_every_script_of_a_rule_is_listed():
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    scripts = {line.split()[0] for line in rules.split("python -m scripts.")[1:]}
    assert scripts == {step.split()[0] for step in CODE}


def test_every_data_file_counts_somewhere():
    listed = {name for names in CODE.values() for name in names.split() if "/" in name}
    for suffix in ("yaml", "j2", "css", "json", "csv"):
        for path in (ROOT / "tangent").rglob(f"*.{suffix}"):
            name = path.relative_to(ROOT / "tangent").as_posix()
            assert name in listed or name.startswith("tasks/"), f"{name} is in no step's code"


def test_every_objective_is_listed():
    listed = {step for step in CODE if step.split()[0] == "pretrain"}
    assert listed == {f"pretrain {objective}" for objective in OBJECTIVES}
