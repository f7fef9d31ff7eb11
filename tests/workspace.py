"""A copy of the workflow in a folder of its own, and Snakemake run in it as a person runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import warm_python
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("Snakefile", "config.yaml", "configs", "envs", "profiles", "rules", "scripts", "tangent")


@dataclass(frozen=True)
class Workspace:
    """A folder that holds what a fresh checkout holds, without the shipped checkpoint.

    Attributes:
        folder: the folder.
        options: what every call of Snakemake is given.
        path: $PATH, on which no environment is activated.
    """

    folder: Path
    options: tuple[str, ...] = ("--cores", "2")
    path: str = "/usr/local/bin:/usr/bin:/bin"

    @classmethod
    def create(cls, folder: Path) -> Workspace:
        """Copy the workflow's sources to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__", ".*", "site.yaml")
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignore)
            else:
                shutil.copy2(ROOT / name, folder / name)
        (folder / "slurm").symlink_to("profiles/slurm")
        return cls(folder)

    def name_shipped_model(self) -> None:
        """Empty files in place of the demo's model, which planning only looks for."""
        folder = self.folder / "pretrained" / "demo-vit"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("model.safetensors", "open_clip_config.json"):
            (folder / name).write_bytes(b"")

    def write(self, name: str, content: Any) -> None:
        """Write a YAML file."""
        text = yaml.safe_dump(content, sort_keys=False)
        (self.folder / name).write_text(text, encoding="utf-8")

    def replace(self, name: str, before: str, after: str) -> None:
        """Edit a source file; `before` must be there."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{name} does not hold {before!r}"
        path.write_text(text.replace(before, after), encoding="utf-8")

    def append(self, name: str, code: str = "EDITED = 1") -> None:
        """Add code to the end of a module."""
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(f"\n\n{code}\n")

    def start(
        self,
        *arguments: str,
        prefix: Sequence[str] = (),
        python: Path | str = sys.executable,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start Snakemake with the workspace's options, in a process group of its own.

        Args:
            arguments: of Snakemake.
            prefix: a command that runs the one that follows it.
            python: the interpreter, also of the jobs.
            options: of `subprocess.Popen`.
        """
        # Jobs must find the interpreter that runs Snakemake.
        environment = {**os.environ, "PATH": self.path, "OMP_NUM_THREADS": "1"}
        # Compiled once per workspace, not once per job, wherever the tests run.
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        return subprocess.Popen(
            [*prefix, python, "-m", "snakemake", *self.options, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake to its end; returns what it printed."""
        process = self.start(*arguments, python=warm_python.executable())
        output, _ = process.communicate()
        assert (process.returncode != 0) == fails, output
        return output

    def planned(self, *arguments: str) -> set[str]:
        """The messages of the jobs that a dry run announces."""
        return self.plan(*arguments)[0]

    def job_counts(self, *arguments: str) -> Counter[str]:
        """The number of jobs per rule that a dry run announces."""
        return self.plan(*arguments)[1]

    def plan(self, *arguments: str) -> tuple[set[str], Counter[str]]:
        """Both of a dry run: messages, and the number of jobs per rule."""
        output = self.snakemake("-n", *arguments)
        messages = set(re.findall(r"^Job \d+: (.+)$", output, re.MULTILINE))
        table = output.partition("Job stats:")[2].partition("\n\n")[0]
        counts = {
            name: int(n) for name, n in re.findall(r"^([\w.-]+) +(\d+)$", table, re.MULTILINE)
        }
        return messages, Counter(counts)
