"""A made-up study with three seeds and two models, collected once for all tests of this folder."""

import pytest
from synthetic_study import write_study

from tangent.results.collect import collect, write_tables
from tangent.results.configuration import read_configuration
from tangent.results.raw import RawFiles


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The folder of the study's raw results, its tidy tables beside them."""
    root = tmp_path_factory.mktemp("study")
    folder = write_study(root, seeds=(0, 1, 2), models=("demo-vit", "other_vit"))
    config = read_configuration(folder / "config.yaml")
    write_tables(collect(config, RawFiles(folder)), folder / "tables")
    return folder


@pytest.fixture(scope="session")
def config(study):
    return read_configuration(study / "config.yaml")


@pytest.fixture(scope="session")
def tables(study):
    from tangent.results.columns import COLLECTED
    from tangent.results.read_tables import load_tables

    return load_tables(study / "tables", COLLECTED)
