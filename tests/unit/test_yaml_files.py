"""YAML files as people write them: every slip has one line with the file's name and line."""

from __future__ import annotations

import random

import pytest
import yaml

from tangent.config.load import extended_files
from tangent.jobs.errors import UserError
from tangent.jobs.yaml_files import read_yaml


def written(folder, content):
    path = folder / "study.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def nested(rng, depth=0):
    """A random mapping of mappings, lists and numbers."""
    if depth == 3 or rng.random() < 0.2:
        return rng.choice([rng.randrange(9), "text", None, [1, 2], {}])
    if depth and rng.random() < 0.3:
        return [nested(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {f"k{number}": nested(rng, depth + 1) for number in range(rng.randrange(1, 5))}


def test_what_is_right_is_read_as_pyyaml_reads_it(tmp_path):
    rng = random.Random()
    for flow in (True, False, None):
        for _ in range(20):
            text = yaml.safe_dump(nested(rng), default_flow_style=flow)
            assert read_yaml(written(tmp_path, text)) == yaml.safe_load(text)
    merged = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: [*a, {z: 4}]}\n"
    assert read_yaml(written(tmp_path, merged)) == yaml.safe_load(merged)
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfstudy: a\n")) == {"study": "a"}
    assert read_yaml(written(tmp_path, "")) is None


def test_a_key_that_stands_twice_is_named_with_both_lines_at_any_depth(tmp_path):
    rng = random.Random()
    for _ in range(40):
        depth, gap = rng.randrange(5), rng.randrange(4)
        indent = "  " * depth
        lines = ["other: 0", *(f"{'  ' * level}level{level}:" for level in range(depth))]
        first = len(lines) + 1
        lines += [f"{indent}twice: 1", *(f"{indent}k{number}: 2" for number in range(gap))]
        second = len(lines) + 1
        lines.append(f"{indent}'twice': 3")
        path = written(tmp_path, "\n".join(lines))
        message = f"line {second}: .*the key 'twice' stands in line {first} already"
        with pytest.raises(UserError, match=message):
            read_yaml(path)


SLIPS = {
    "a: {b: 1, b: 2}": "line 1: .*the key 'b' stands in line 1 already",
    "a:\n- b: 1\n  c: 2\n  b: 3": "line 4: .*the key 'b' stands in line 2 already",
    "1: a\n2: b\n1: c": "line 3: .*the key 1 stands in line 1 already",
    "a: 1\nb:\n\tc: 2": r"line 3: .*'\\t' that cannot start any token; indent with spaces",
    "c:\n  <<: {a: 1}\n  <<: {b: 2}": "line 3: .*the key '<<' stands in line 2 already",
    "a: 1\nb: 2026-13-45": "line 2: .*'2026-13-45' has no value; quote what is text",
    "a: !!int x": "line 1: .*'x' has no value",
    "a: !!timestamp x": "line 1: .*'x' has no value",
    f"a: {'9' * 5000}": "line 1: .*'9{20}' has no value",
    "{a: " * 1500: "nested too deeply",
    "a: [1, 2": "line 1: ",
    "a: 'x": "line 1: ",
    "a: *b": "line 1: .*undefined alias",
    "a: !python/object:os.system {}": "line 1: .*could not determine a constructor",
    "a: {[1]: 2, {b: 1}: 3}": "line 1: .*unhashable key",
    b"a: 1\nb: gr\xf6\xdfer\n": "line 2: it is no UTF-8 text",
    "a: 1\n".encode("utf-16"): "line 1: it is no UTF-8 text",
    b"\x89PNG\r\n\x1a\n\x00\x00": "line 1: it is no UTF-8 text",
    b"a: \x00\x01": "is no YAML: ",
}


@pytest.mark.parametrize("content", SLIPS)
def test_a_slip_has_one_line(content, tmp_path):
    with pytest.raises(UserError, match=SLIPS[content]) as caught:
        read_yaml(written(tmp_path, content))
    assert "study.yaml" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="^extends: .*study.yaml"):
        extended_files(str(tmp_path / "study.yaml"))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path, reason in (
        (tmp_path / "gone.yaml", "No such file"),
        (tmp_path, "it is no regular file"),
    ):
        with pytest.raises(UserError, match=rf"{path} cannot be read: {reason}"):
            read_yaml(path)
