"""The command line of every script: from a dataclass to argparse, from an error to one line."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from workspace import ROOT

from scripts import cli
from tangent.jobs.progress import start_logging


class Arguments(cli.Common):
    """An example."""

    head: Path = cli.argument("a file")
    training: Literal["standard", "linear"] = cli.argument("a choice")
    tasks: list[str] = cli.argument("one or more values", default=["letters"])
    products: dict[str, Path] | None = cli.argument("named files", default=None)
    seed: int | None = cli.argument("an optional number", default=None)
    dry_run: bool = cli.argument("a flag without a value", default=False)


def test_every_kind_of_field_is_parsed():
    arguments = cli.parse(
        Arguments,
        ["--head", "a/b", "--training", "linear", "--tasks", "x", "y"]
        + ["--products", "sum=p/q", "x=r", "--seed", "3", "--dry-run", "--code", "abc"]
        + ["--log", "l.log"],
    )
    assert arguments == Arguments(
        head=Path("a/b"),
        training="linear",
        tasks=["x", "y"],
        products={"sum": Path("p/q"), "x": Path("r")},
        seed=3,
        dry_run=True,
        code="abc",
        log=Path("l.log"),
    )
    decisive = {"head", "training", "tasks", "products", "seed", "dry_run"}
    assert set(arguments.settings()) == decisive


def test_defaults_and_required_fields(capsys):
    arguments = cli.parse(Arguments, ["--head", "a", "--training", "linear"])
    assert (arguments.tasks, arguments.products, arguments.seed) == (["letters"], None, None)
    assert not arguments.dry_run
    with pytest.raises(SystemExit):
        cli.parse(Arguments, ["--training", "linear"])
    assert "--head" in capsys.readouterr().err


@pytest.mark.parametrize("pair", ["sum", "=p", "sum="])
def test_a_malformed_pair_is_named(pair, capsys):
    with pytest.raises(SystemExit):
        cli.parse(Arguments, ["--head", "a", "--training", "linear", "--products", pair])
    assert repr(pair) in capsys.readouterr().err


SCRIPT = """
from scripts import cli
from tangent.jobs.errors import UserError

class Arguments(cli.Common):
    '''Fails.'''
    kind: str = cli.argument("which failure")

def run(arguments):
    if arguments.kind == "user":
        raise UserError("config.yaml: mend this")
    raise ZeroDivisionError("ours")

cli.main(Arguments, run)
"""


@pytest.mark.parametrize(("kind", "status"), [("user", 1), ("bug", 2)])
def test_errors_reach_terminal_and_log(kind, status, tmp_path):
    (tmp_path / "failing.py").write_text(SCRIPT)
    log = tmp_path / "logs" / "failing.log"
    answer = subprocess.run(
        [sys.executable, "-c", "import failing", "--kind", kind, "--log", str(log)],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == status
    if kind == "user":
        assert answer.stderr == "error: config.yaml: mend this\n"
        assert log.read_text().endswith("error: config.yaml: mend this\n")
    else:
        assert "ZeroDivisionError: ours" in answer.stderr
        assert "ZeroDivisionError: ours" in log.read_text()


def test_a_log_that_cannot_be_written_is_given_up_with_one_line(tmp_path, small_files, capsys):
    for path, size in ((tmp_path / "small.log", 100), (tmp_path / "small.log" / "x.log", 10**6)):
        with small_files(size):
            start_logging(path)
            for number in range(5):
                logging.getLogger("tangent").info("line %d %s", number, "x" * 30)
        lines = capsys.readouterr().err.splitlines()
        assert [line[:6] for line in lines if line.startswith("line")] == [
            f"line {number}" for number in range(5)
        ]
        (complaint,) = (line for line in lines if not line.startswith("line"))
        assert complaint.startswith(f"cannot write {path}: ")
    logging.getLogger("tangent").handlers.clear()


def test_the_bench_starts_and_a_script_says_how_it_is_started():
    def run(module):
        return subprocess.run(
            [sys.executable, "-m", module, "--help"], capture_output=True, text=True, cwd=ROOT
        )

    assert run("bench").returncode == 0
    assert (
        "run it as: python -m scripts merge_task_vectors"
        in run("scripts.merge_task_vectors").stderr
    )
