"""A made-up study with three seeds and two models, collected once for all tests of this folder."""

import shutil

import pytest
from made_report import make_report
from synthetic_study import make_tables, write_study

from tangent.report.build import read_configuration


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The folder of the study's raw results, its tidy tables beside them."""
    root = tmp_path_factory.mktemp("study")
    folder = write_study(root, seeds=(0, 1, 2), models=("demo-vit", "other_vit"))
    make_tables(folder)
    return folder


@pytest.fixture(scope="session")
def config(study):
    return read_configuration(study / "config.yaml")


@pytest.fixture(scope="session")
def tables(study, config):
    from tangent.results.columns import tables_of
    from tangent.results.read_tables import load_tables

    return load_tables(study / "tables", [name for name in tables_of(config) if name != "claims"])


@pytest.fixture(scope="session")
def page_study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("page"), seeds=(0, 1))


@pytest.fixture(scope="session")
def page(page_study):
    return make_report(page_study)


@pytest.fixture
def copied(page, page_study, tmp_path):
    """A copy of the finished study, to be damaged."""
    return shutil.copytree(page_study, tmp_path / "copy")
