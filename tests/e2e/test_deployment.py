"""Jobs in conda environments and in a container: which Python they get, what does not run again.

Neither conda's server nor an image can be had in a test. Stand-ins answer what Snakemake asks:
their environment is a virtual one with the packages of this one, their container a PATH.
"""

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

FIGURE = "results/tiny/figures/figure6.svg"
SAY_WHERE = "import sys\n\nopen('prefix', 'w').write(sys.prefix)\nINPUTS ="
PACKAGES = Path(sysconfig.get_paths()["purelib"])
ENVIRONMENT = f"""
{sys.executable} -m venv --without-pip "$prefix"
echo {PACKAGES} > "$prefix"/{PACKAGES.relative_to(sys.prefix)}/packages.pth
"""
CONDA = """#!/bin/bash
set -e
case "$1 $2" in
  "info --json") echo '{{"conda_prefix": "{base}", "platform": "linux-64"}}' ;;
  "config --get") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  "env create") prefix="${{@: -1}}"; {environment} ;;
  *) echo "conda 25.1.0" ;;
esac
"""
APPTAINER = """#!/bin/bash
case "$1" in --version) echo "apptainer version 1.3.4"; exit ;; esac
echo "$@" > {base}/arguments
while [ "$1" != bash ]; do shift; done
PATH={base}/image/bin:/usr/bin:/bin exec "$@"
"""
# And no "snakemake would run".
ALL_RIGHT = re.compile(r"results verified\. .*hashed\)\.\n\[")
ACTIVATE = 'export PATH="$1/bin:$PATH"\n'


@pytest.fixture
def deploying(study, tmp_path):
    """The finished study with figure 6 to be drawn again, and stand-ins on the PATH."""
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    (base / "bin" / "activate").write_text(ACTIVATE)
    for name, text in (("conda", CONDA), ("apptainer", APPTAINER)):
        path = base / "bin" / name
        path.write_text(text.format(base=base, environment=ENVIRONMENT))
        path.chmod(0o755)
    study.replace("tangent/report/figures/figure6.py", "INPUTS =", SAY_WHERE)
    return replace(study, path=f"{base / 'bin'}:{study.path}")


def test_a_job_has_its_conda_environments_python(deploying):
    assert deploying.planned("--sdm", "conda") == {"draw figure6", "write the report"}
    deploying.snakemake(FIGURE, "--sdm", "conda")
    folder = deploying.folder / ".snakemake" / "conda"
    assert (deploying.folder / "prefix").read_text().startswith(str(folder))
    listed = deploying.snakemake(FIGURE, "--sdm", "conda", "--list-conda-envs")
    assert "envs/report.yaml" in listed
    assert deploying.planned(FIGURE) == set()  # without conda: nothing runs again
    for options in ((), ("--sdm", "conda")):
        assert ALL_RIGHT.search(deploying.snakemake("verify", *options))


def test_a_job_has_its_containers_python(deploying, tmp_path):
    image = deploying.folder / "containers" / "tangent.sif"
    message = "containers/tangent.sif does not exist: build it, or copy it there"
    assert message in deploying.snakemake("--sdm", "apptainer", "-n", fails=True)
    image.parent.mkdir()
    image.touch()
    inside = tmp_path / "base" / "image"
    subprocess.run(
        ["bash", "-c", ENVIRONMENT], env={**os.environ, "prefix": str(inside)}, check=True
    )
    deploying.snakemake(FIGURE, "--sdm", "apptainer", "--apptainer-args=--nv --bind /mnt")
    assert (deploying.folder / "prefix").read_text() == str(inside)
    arguments = (tmp_path / "base" / "arguments").read_text()
    assert "--nv --bind /mnt" in arguments and f"--home {deploying.folder}" in arguments
    assert deploying.planned(FIGURE) == set()
    # Verify asks the image's Snakemake: the host's Python is not in there.
    assert ALL_RIGHT.search(deploying.snakemake("verify", "--sdm", "apptainer"))
    asked = (tmp_path / "base" / "arguments").read_text()
    assert "scripts verify --python python " in asked and sys.executable not in asked
