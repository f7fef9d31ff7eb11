"""Two runs at once: of one checkout, of one study in two checkouts, and with shared resources."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from kills import Run, differences, is_gone, processes_in, remains
from workspace import SOURCES, Workspace

# Another user of the group, without a name, as in a container; who may read the interpreter
# wherever it is, but write only what is his or the group's.
NAMELESS, GROUP = 54321, 54300
AS_NAMELESS = ("env", "-u", "USER", "-u", "LOGNAME", "setpriv", f"--reuid={NAMELESS}",
    f"--regid={NAMELESS}", f"--groups={GROUP}",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # fmt: skip
HEAD = "results/tiny/heads/tiny/shapes/head.safetensors"


def hold(workspace: Workspace, figure: str) -> Path:
    """Make the drawing of a figure wait for a file, for a test to look at it; returns the file."""
    wait = "import os\nimport time\n\nwhile not os.path.exists('go-on'):\n    time.sleep(0.1)\n"
    workspace.replace(f"tangent/report/figures/{figure}.py", "INPUTS =", f"{wait}INPUTS =")
    return workspace.folder / "go-on"


def clone(workspace: Workspace, folder: Path, paths: dict[str, str], uid: int = 0) -> Workspace:
    """Another checkout of the study, with other folders."""
    folder.mkdir()
    for name in (*SOURCES, "shipped"):
        copy = shutil.copytree if (workspace.folder / name).is_dir() else shutil.copy2
        copy(workspace.folder / name, folder / name)
    other = Workspace(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    other.write("config.yaml", config | {"paths": config.get("paths", {}) | paths})
    if uid:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, uid, uid)
    return other


def until(condition, run: Run) -> None:
    assert run.wait_until(condition), run.output


def test_a_second_run_of_a_checkout_is_refused(study):
    go_on = hold(study, "figure6")
    first = Run(study.start("figure6"))
    locks = study.folder / ".snakemake" / "locks"
    until(lambda: locks.exists() and len(list(locks.iterdir())) == 2, first)
    assert "locked" in study.snakemake("figure6", fails=True)
    go_on.touch()
    assert first.end() == 0, first.output


def test_a_second_run_of_a_study_is_refused_in_another_checkout(study, tmp_path):
    """Snakemake's own locks lie in the checkout."""
    go_on = hold(study, "figure6")
    paths = {name: str(study.folder / name) for name in ("results", "resources")}
    other = clone(study, tmp_path / "other", paths)
    run_file = study.folder / "results" / "tiny" / ".run"
    first = Run(study.start("figure6"))
    until(lambda: "draw figure6" in first.output, first)
    message = other.snakemake("results/tiny/figures/figure6.svg".replace(
        "results", paths["results"]), fails=True)  # fmt: skip
    assert "another run is writing" in message and f"process {first.process.pid} of" in message
    assert "Wait until it has ended" in message and "Traceback" not in message
    assert "estimate" in study.snakemake("estimate", "-n")  # what writes nothing may run
    go_on.touch()
    assert first.end() == 0, first.output
    assert run_file.read_text().strip() == ""


def test_jobs_of_a_killed_snakemake_end_before_the_next_run_goes_on(study):
    """SIGKILL of Snakemake alone; a fine-tuning of the old run goes on and writes."""
    whole = study.folder / "results" / "tiny" / "finetuned" / "tiny" / "linear" / "shapes" / "seed3"
    reference = study.folder / "reference"
    shutil.copytree(whole, reference)
    shutil.rmtree(whole)
    counted = "        self.done += steps\n"
    slow = f"{counted}        while not os.path.exists('go-on'):\n            time.sleep(0.1)\n"
    study.replace("tangent/jobs/progress.py", counted, slow)
    target = str((whole / "encoder.safetensors").relative_to(study.folder))
    first = Run(study.start(target))
    until(lambda: (whole / "events").exists(), first)
    jobs = {pid for pid, line in processes_in(study.folder).items() if "scripts finetune" in line}
    first.end(signal.SIGKILL)
    alive = [pid for pid in jobs if not is_gone(pid)]
    assert alive, "Snakemake's end ended the job too: nothing is tested here"
    study.replace("tangent/jobs/progress.py", slow, counted)
    second = Run(study.start(target))
    log = study.folder / "results/tiny/logs/finetuned/tiny/linear/shapes/seed3.log"
    until(lambda: log.exists() and "run is over" in log.read_text(), second)  # after 10 of 14 steps
    (study.folder / "go-on").touch()
    assert second.end() == 0, second.output
    output = second.output
    assert "jobs of an earlier run" in output and "alive: waiting for their end" in output
    assert all(is_gone(pid) for pid in jobs)
    assert "resumed after step" in log.read_text()
    assert differences(whole, reference) == []


def test_shared_resources_that_were_made_otherwise_are_refused(finished, tmp_path):
    """Another checkout's Snakemake does not know what they were made from."""
    other = clone(finished, tmp_path / "other", {"resources": str(finished.folder / "resources")})
    config = yaml.safe_load((other.folder / "config.yaml").read_text(encoding="utf-8"))
    config["datasets"]["shapes"]["test_images"] = 30
    other.write("config.yaml", config)
    message = other.snakemake(
        HEAD.replace("heads/tiny/shapes/head", "features/tiny/initial/shapes/seed3/test"),
        fails=True,
    )
    assert "shapes was made with test_images 40, not 30" in message
    assert "paths.resources" in message and "Traceback" not in message


def can_be_another_user() -> bool:
    """Whether this is root, and another user can run the tests' interpreter."""
    try:
        command = [*AS_NAMELESS, sys.executable, "-c", "import snakemake, torch"]
        return subprocess.run(command, cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


def test_two_studies_prepare_the_same_resources_once(sources, finished):
    """Of two users, where this machine can play them, in a group's folder (docs/cluster.md)."""
    uid = NAMELESS if can_be_another_user() else 0
    with tempfile.TemporaryDirectory() as temporary:  # pytest's own folders are private
        folder = Path(temporary)
        folder.chmod(0o755)
        resources = folder / "resources"
        resources.mkdir()
        if uid:
            os.chown(resources, -1, GROUP)
        resources.chmod(0o2775)
        paths = {"resources": str(resources)}
        workspaces = [clone(sources, folder / "mine", paths)]
        workspaces += [clone(sources, folder / "other", paths, uid)]
        homes = [f"HOME={workspace.folder}" for workspace in workspaces]
        who = [("env", homes[0]), (*(AS_NAMELESS if uid else ()), "env", homes[1])]
        goals = ("data", HEAD)
        runs = [
            Run(workspace.start(*goals, prefix=prefix, umask=0o002))
            for workspace, prefix in zip(workspaces, who, strict=True)
        ]
        statuses = [run.end() for run in runs]
        output = "\n".join(run.output for run in runs)
        assert statuses == [0, 0], output
        assert output.count("prepare the images of shapes") == 1, output
        assert all((workspace.folder / HEAD).exists() for workspace in workspaces)
        made = finished.folder / "resources"
        for path in resources.glob("datasets/*/*/*.safetensors"):
            assert path.read_bytes() == (made / path.relative_to(resources)).read_bytes()
            assert path.stat().st_mode & 0o020 and (not uid or path.stat().st_gid == GROUP)
        assert remains(resources) == []
