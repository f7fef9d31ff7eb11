"""Resolve the `.in` files to exact versions, without installing anything: `make lock`.

`requirements.lock` is the whole pipeline's; `train.yaml` and `report.yaml`, Snakemake's conda
environments, are its parts that `train.in` and `report.in` need, transitively. `real.lock` has what
`real.in` needs in addition.

CUDA's packages stay out: they exist for Linux only, and torch pins their versions itself.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LOCK = FOLDER / "requirements.lock"
ENVIRONMENTS = ("train", "report")
PYTHON, PIP = "3.12.11", "25.1.1"  # conda's; containers/ has the same Python
LEFT_TO_TORCH = re.compile(r"^(nvidia|cuda)-|^triton$")
REAL = FOLDER / "real.lock"
REAL_HEADER = (
    "# Exact versions of real.in and of what it needs beside requirements.lock, resolved by"
    " `make lock`.\n"
)
HEADER = "# Exact versions of requirements.in and of what it needs, resolved by `make lock`.\n"
YAML = """\
# For snakemake --sdm conda: {name}.in with all that it needs, in requirements.lock's versions.
# Made by `make lock`.
channels:
  - conda-forge
dependencies:
  - python={python}
  - pip={pip}
  - pip:
{pins}"""


def main() -> None:
    """Write requirements.lock, and the conda environments that it implies."""
    pins = resolved(FOLDER / "requirements.in")
    LOCK.write_text(HEADER + "".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    besides = set(resolved(FOLDER / "real.in", constraints=LOCK)) - set(pins)
    REAL.write_text(REAL_HEADER + "".join(f"{pin}\n" for pin in sorted(besides)), encoding="utf-8")
    for name in ENVIRONMENTS:
        lines = [f"      - {pin}\n" for pin in resolved(FOLDER / f"{name}.in", constraints=LOCK)]
        text = YAML.format(name=name, python=PYTHON, pip=PIP, pins="".join(lines))
        (FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")


def resolved(requirements: Path, constraints: Path | None = None) -> list[str]:
    """`name==version` of the requirements and of what they need, sorted."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--report", "-", "-r", str(requirements)]
    if constraints is not None:
        command += ["-c", str(constraints)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    packages = [item["metadata"] for item in json.loads(answer.stdout)["install"]]
    names = {package["name"].lower().replace("_", "-"): package["version"] for package in packages}
    return [f"{name}=={names[name]}" for name in sorted(names) if not LEFT_TO_TORCH.match(name)]


if __name__ == "__main__":
    main()
