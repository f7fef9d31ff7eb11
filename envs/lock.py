"""Resolve requirements.in to exact versions, without installing anything: `make lock`.

CUDA's packages stay out: they exist for Linux only, and torch pins their versions itself.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LEFT_TO_TORCH = re.compile(r"^(nvidia|cuda)-|^triton$")
HEADER = "# Exact versions of requirements.in and of what it needs, resolved by `make lock`.\n"


def main() -> None:
    """Write requirements.lock."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--report", "-", "-r", str(FOLDER / "requirements.in")]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    packages = [item["metadata"] for item in json.loads(answer.stdout)["install"]]
    names = {package["name"].lower().replace("_", "-"): package["version"] for package in packages}
    pins = [f"{name}=={names[name]}\n" for name in sorted(names) if not LEFT_TO_TORCH.match(name)]
    (FOLDER / "requirements.lock").write_text(HEADER + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
