"""The page of keys and the schema for editors, which are made from the models."""

import json

import jsonschema
import pytest
import yaml
from workspace import ROOT

from tangent.config import reference
from tangent.config.schema import Config


def test_every_key_is_explained():
    for definition in Config.model_json_schema()["$defs"].values():
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field, (definition["title"], name)
        assert definition.get("description"), definition["title"]


def test_the_reference_page_is_up_to_date():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.reference(), "run `make docs`"


def schema():
    return json.loads(reference.SCHEMA.read_text(encoding="utf-8"))


def test_the_schema_for_editors_is_up_to_date():
    assert schema() == json.loads(reference.for_editors()), "run `make docs`"


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))])
def test_shipped_configurations_fit_the_schema_for_editors(path):
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema())


@pytest.mark.parametrize(
    "wrong",
    [{"sedes": [0]}, {"seeds": 0}, {"finetuning": {"epoch": {}}}, {"compute": {"threads": 0}},
     {"pretrained": {"x": {"source": "file", "sha": "0"}}}, {"alphas": {"points": 1}}],
)  # fmt: skip
def test_the_schema_for_editors_refuses_slips(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())
