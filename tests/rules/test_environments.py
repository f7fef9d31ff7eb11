"""One set of versions, the lock's, in conda's environments and in the container's recipes."""

import ast
import re
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from workspace import ROOT

from tangent.jobs.dependencies import NEVER, PACKAGES, dependencies, source_file

ENVIRONMENTS = ROOT / "envs"
STAGES = ("train", "report")
# CUDA's: for Linux only, so not in the lock, but pinned by torch (envs/lock.py).
LEFT_TO_TORCH = re.compile(r"^(nvidia|cuda)-|^triton$")
CONDAS = {"python_version": "3.12", "python_full_version": "3.12.11", "sys_platform": "linux"}
CONDAS |= {"platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
CONDAS |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}


class WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node):
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node


# Scripts that get something from a registry's sources; others know the sources' keys only
# (a test of planning sees what is imported for these).
USERS = {
    "DATA_SOURCES": ("locate_dataset", "prepare_dataset", "prepare_text"),
    "MODEL_SOURCES": ("fetch_pretrained",),
    "OBJECTIVES": ("fetch_pretrained",),
    "PUBLISHED_SOURCES": ("import_finetuned",),
    "EXPORTERS": ("export",),
}


def used_packages(*starts, **used):
    """Top-level names of what others wrote that modules, and all that they use, import."""
    names = set()
    found = dependencies([*starts, *NEVER], used, ROOT).modules.keys()
    # What asks torch about GPUs runs where a step has imported it.
    for module in found - {"tangent.jobs.gpus"}:
        tree = ast.parse(source_file(module, ROOT).read_text(encoding="utf-8"))
        for node in ast.walk(WithoutTypeChecking().visit(tree)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    return {name.split(".")[0] for name in names} - {*PACKAGES, *sys.stdlib_module_names}


def asked_for(name):
    """Requirements of an `.in` file, with those of the files that it includes."""
    found = []
    for line in (ENVIRONMENTS / f"{name}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += asked_for(line[3:].removesuffix(".in"))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def pins(file="requirements.lock"):
    """A lock: version by name."""
    lines = (ENVIRONMENTS / file).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^=\s]+", line) for line in lines)
    return dict(line.split("==") for line in lines)


def conda(stage):
    """The environment's own dependencies, and pip's as version by name."""
    content = yaml.safe_load((ENVIRONMENTS / f"{stage}.yaml").read_text(encoding="utf-8"))
    *own, pip = content["dependencies"]
    return own, dict(pin.split("==") for pin in pip["pip"])


def unmet(versions, requirements, environment):
    """Requirements, and what these need in turn, that `versions` lack or do not satisfy.

    What a package needs is read from the installed one, which has the lock's version.
    """
    left, seen, found = [(item, "asked for") for item in requirements], set(), []
    while left:
        item, by = left.pop()
        name = canonicalize_name(item.name)
        if LEFT_TO_TORCH.match(name):
            continue
        if name not in versions or not item.specifier.contains(versions[name], prereleases=True):
            found.append(f"{item} ({by})")
            continue
        for extra in {"", *item.extras} - {of for known, of in seen if known == name}:
            seen.add((name, extra))
            for text in metadata.requires(name) or []:
                needed = Requirement(text)
                if not needed.marker or needed.marker.evaluate({**environment, "extra": extra}):
                    left.append((needed, name))
    return sorted(found)


def rules():
    """Each rule that runs scripts, by name: its scripts and its conda environment."""
    found = {}
    steps = (ROOT / "rules" / "steps.smk").read_text(encoding="utf-8")
    without_torch = ast.literal_eval(re.search(r"WITHOUT_TORCH = (.*)", steps)[1])
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        default = "report" if path.stem in without_torch else "train"
        for block in re.split(r"^(?=rule |checkpoint )", text, flags=re.M)[1:]:
            block = re.split(r"^(?:use rule|for|def) ", block, flags=re.M)[0]
            scripts = re.findall(r"python -m scripts (\w+)", block)
            environment = re.search(r'conda:\s+"../envs/(\w+).yaml"', block)
            if scripts:
                name = re.match(r"(?:rule|checkpoint) (\w+)", block)[1]
                found[name] = scripts, environment[1] if environment else default
    return found


def test_the_lock_has_everything_that_is_asked_for():
    assert unmet(pins(), asked_for("requirements"), {}) == []


def test_the_real_lock_adds_what_is_asked_for_and_changes_no_version():
    added = pins("real.lock")
    assert {canonicalize_name(item.name) for item in asked_for("real")} <= added.keys()
    assert not added.keys() & pins().keys()
    try:
        missing = unmet({**pins(), **added}, asked_for("real"), {})
    except metadata.PackageNotFoundError:
        pytest.skip("envs/real.lock is not installed: run `make real-environment`")
    assert missing == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_conda_environment_solves_with_the_locks_versions(stage):
    _, versions = conda(stage)
    assert versions.items() <= pins().items()
    assert unmet(versions, asked_for(stage), CONDAS) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_conda_environment_holds_no_more_than_it_needs(stage):
    _, versions = conda(stage)
    wanted = {canonicalize_name(item.name) for item in asked_for(stage)}
    for name in versions.keys() - wanted:
        without = {other: version for other, version in versions.items() if other != name}
        assert unmet(without, asked_for(stage), CONDAS), f"nothing needs {name}"


def test_torch_bounds_what_the_lock_leaves_to_it():
    requirements = map(Requirement, metadata.requires("torch"))
    left = [item.specifier for item in requirements if LEFT_TO_TORCH.match(item.name)]
    assert left and all({"==", "<", "<="} & {one.operator for one in of} for of in left)


def test_every_rule_that_runs_a_script_has_a_conda_environment():
    found = rules()
    assert len(found) > 20 and {"finetuned", "plot", "estimate"} <= found.keys()
    assert [name for name, (_, environment) in found.items() if environment not in STAGES] == []


@pytest.mark.parametrize("rule", rules())
def test_a_rules_environment_has_what_its_scripts_import(rule):
    scripts, stage = rules()[rule]
    figures = [path.stem for path in (ROOT / "tangent" / "report" / "figures").glob("*.py")]
    starts = [f"tangent.report.figures.{name}" for name in figures if name != "__init__"]
    imported = used_packages(
        *(f"scripts.{name}" for name in scripts),
        *(starts if rule == "plot" else []),
        **{name: () for name, users in USERS.items() if not set(scripts) & set(users)},
    )
    by_module = metadata.packages_distributions()
    packages = {name: {canonicalize_name(one) for one in by_module[name]} for name in imported}
    _, versions = conda(stage)
    assert [name for name, of in packages.items() if not of & versions.keys()] == []
    assert "snakemake" not in imported


def test_the_containers_recipes_agree_and_install_the_lock():
    folder = ROOT / "containers"
    docker = (folder / "Dockerfile").read_text(encoding="utf-8")
    apptainer = (folder / "tangent.def").read_text(encoding="utf-8")
    bases = re.findall(r"BASE=(?:docker.io/library/)?(python:\S+)", docker + apptainer)
    python = CONDAS["python_full_version"]
    assert bases == [f"python:{python}-slim-bookworm"] * 2
    runs = re.findall(r"^RUN ((?:.+\\\n)*.+)", docker, re.M)
    steps = [step.strip() for run in runs for step in run.replace("\\\n", "").split("&&")]
    post = apptainer.partition("%post")[2].partition("%environment")[0]
    assert steps == [line.strip() for line in post.strip().splitlines()]
    copied = re.findall(r"(envs/\S+) (/opt/requirements.lock)\n", docker + apptainer)
    assert copied == [("envs/requirements.lock", "/opt/requirements.lock")] * 2
    assert any(step.endswith("install --no-cache-dir -r /opt/requirements.lock") for step in steps)
    assert "PATH=/opt/tangent/bin:$PATH" in docker and "PATH=/opt/tangent/bin:$PATH" in apptainer


@pytest.mark.parametrize("stage", STAGES)
def test_condas_own_packages_are_exact(stage):
    own, _ = conda(stage)
    assert own[0] == f"python={CONDAS['python_full_version']}"
    assert all(re.fullmatch(r"[a-z]+=\d+\.\d+\.\d+", package) for package in own)


def test_the_pages_commands_name_files_that_are_there():
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:containers|envs|configs)/[\w.-]+\w", page))
    made = {"containers/tangent.sif"}
    assert made < named
    assert [name for name in named - made if not (ROOT / name).is_file()] == []
    image = (ROOT / "rules" / "common.smk").read_text(encoding="utf-8")
    assert '"containers/tangent.sif"' in image
