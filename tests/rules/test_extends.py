"""Files of configuration that extend others."""

import pytest

from tangent.config.load import extended_files
from tangent.jobs.errors import UserError


def test_extended_files_come_in_the_order_of_merging(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("study: first\n")
    second.write_text(f"extends: {first}\n")
    assert extended_files(None) == []
    assert extended_files(str(second)) == [str(first), str(second)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("extends: {folder}/absent.yaml", "absent.yaml does not exist or is not a file"),
        ("extends: {folder}", "does not exist or is not a file"),
        ("extends: {folder}/file.yaml", "goes in a circle"),
        ("extends: [a.yaml]", "must be one path, not ['a.yaml']"),
        ("- study", "file.yaml must be a mapping of keys"),
        ("a: b: c", "file.yaml, line 1: it is no YAML"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path, content, message):
    (tmp_path / "file.yaml").write_text(content.replace("{folder}", str(tmp_path)))
    with pytest.raises(UserError) as caught:
        extended_files(str(tmp_path / "file.yaml"))
    assert message in str(caught.value)
