"""The page of keys, which is made from the schema."""

from tangent.config import reference
from tangent.config.schema import Config


def test_every_key_is_explained():
    for definition in Config.model_json_schema()["$defs"].values():
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field, (definition["title"], name)
        assert definition.get("description"), definition["title"]


def test_the_reference_page_is_up_to_date():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.reference(), "run `make docs`"
