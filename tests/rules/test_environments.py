"""One set of versions: the lock's."""

import re

import pytest
import yaml
from workspace import ROOT

ENVIRONMENTS = ROOT / "envs"


def names(lines):
    return {re.split("[=<>]", line)[0].lower().replace("_", "-") for line in lines}


def pins():
    lines = (ENVIRONMENTS / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_lock_pins_exactly_and_holds_everything_that_is_asked_for():
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^=\s]+", pin) for pin in pins())
    wanted = (ENVIRONMENTS / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert names(line for line in wanted if line and not line.startswith("#")) <= names(pins())


@pytest.mark.parametrize("stage", ["train", "report"])
def test_conda_environments_have_the_locks_versions(stage):
    content = yaml.safe_load((ENVIRONMENTS / f"{stage}.yaml").read_text(encoding="utf-8"))
    packages = content["dependencies"][-1]["pip"]
    assert packages and set(packages) <= set(pins())
