"""The library as `pip install` gives it: outside of the repository, and run as docs/api.md says."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the sources: building leaves folders there."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "tangent", folder / "source" / "tangent")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder / "source")
    pip("wheel", "--no-deps", "--wheel-dir", folder, folder / "source")
    return next(folder.glob("*.whl"))


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def test_the_wheel_holds_all_files_of_the_package(wheel):
    built = set(zipfile.ZipFile(wheel).namelist())
    files = (path for path in (ROOT / "tangent").rglob("*") if path.is_file())
    files = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    assert len(files) > 200 and files <= built


def test_code_of_the_page_runs_in_a_fresh_environment(wheel, tmp_path):
    """With the shipped model and config.yaml beside it, which the page reads."""
    python = tmp_path / "environment" / "bin" / "python"
    venv.create(tmp_path / "environment", symlinks=True)
    pip("--python", python, "install", "--no-deps", wheel)
    # What the package depends on is there already. Of a `.pth` file in there, such as that of an
    # installation of this checkout, Python takes no notice.
    own = next((tmp_path / "environment" / "lib").glob("*/site-packages"))
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    place = tmp_path / "place"
    (place / "pretrained").mkdir(parents=True)
    shutil.copy2(ROOT / "config.yaml", place)
    shutil.copytree(ROOT / "pretrained" / "demo-vit", place / "pretrained" / "demo-vit")
    script = tmp_path / "api.py"
    script.write_text(code_of(PAGE) + "\nimport tangent\nprint(tangent.__file__)\n")
    done = subprocess.run(
        [python, "-I", script], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(own)


def code_of(page: Path) -> str:
    """The blocks of code of a page, each line where it has it, for a traceback to point there."""
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))
    assert len(blocks) > 10
    lines = [""] * text.count("\n")
    for block in blocks:
        start = text.count("\n", 0, block.start(1))
        code = block[1].splitlines()
        lines[start : start + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize(
    "group, rooms",
    [
        ("texts", "arithmetic data evaluation jobs kernels models tasks training"),
        ("demo", "demo"),
        ("report", "config report results"),
    ],
)
def test_what_modules_import_is_declared(group, rooms):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = project["optional-dependencies"]
    needed = {*project["dependencies"], *groups["texts"], *groups[group]}
    declared = {canonicalize_name(Requirement(text).name) for text in needed}
    # Parts of pydantic and jinja2, which ask for the very version that fits.
    declared |= {"pydantic-core", "markupsafe"}
    by_module = metadata.packages_distributions()
    for room in rooms.split():
        for path in (ROOT / "tangent" / room).rglob("*.py"):
            for name in imported(path):
                found = {canonicalize_name(one) for one in by_module.get(name, [])}
                assert name in sys.stdlib_module_names or found & declared, f"{path}: {name}"


def imported(path: Path) -> set[str]:
    """Packages of others that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.split(".")[0] for name in names} - {"tangent"}
