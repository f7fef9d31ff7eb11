"""A fingerprint changes with what code does, and with nothing else."""

import pytest

from tangent.jobs.dependencies import _read, dependencies
from tangent.jobs.errors import UserError

CODE = '''"""What it is."""
import os  # for the path


class Point:
    """Two numbers."""

    x: float = 0.0


def name(number, text):
    """A name."""
    joined = f"{number:{3}d}-{text!r:>{len('a b')}} # {{}} {number + 1}"
    return joined + r"\\d" + (
        "one"
        " two"
    )
'''

SAME = {
    "comment": ("# for the path", "# for something else\n# entirely"),
    "docstring": ('"""A name."""', '"""Another\n\n    name."""'),
    "docstring of a class": ('    """Two numbers."""\n\n', ""),
    "blank lines": ("\n\n\ndef", "\n\n\n\n\ndef"),
    "line breaks": ('(\n        "one"\n        " two"\n    )', '("one"  " two")'),
    "indentation": ('    """Two numbers."""\n\n    x', "  x"),
    "line ends": ("\n", "\r\n"),
    "spelling of a string": ('r"\\d"', '"\\\\d"'),
}
DIFFERENT = {
    "a value": ("0.0", "0.5"),
    "a string": ('"one"', '"One"'),
    "text of an f-string": ("-{text", "+{text"),
    "expression of an f-string": ("number + 1", "number + 2"),
    "white space in an f-string": ("# {{}}", "#  {{}}"),
    "a prefix": ("'a b'", "b'a b'"),
    "block structure": ("    return", "return"),
    "a call that looks like a docstring": ('    """A name."""', '    f"{os.abort()}"'),
}


def fingerprint_of(source, folder):
    _read.cache_clear()
    (folder / "module.py").write_text(source, encoding="utf-8", newline="")
    return dependencies(["module"], root=folder).fingerprint()


@pytest.mark.parametrize("edit", SAME)
def test_what_does_nothing_does_not_count(edit, tmp_path):
    before, after = SAME[edit]
    assert before in CODE
    assert fingerprint_of(CODE.replace(before, after), tmp_path) == fingerprint_of(CODE, tmp_path)


@pytest.mark.parametrize("edit", DIFFERENT)
def test_what_does_something_counts(edit, tmp_path):
    before, after = (text.replace("\\\\", "\\") for text in DIFFERENT[edit])
    assert before in CODE
    assert fingerprint_of(CODE.replace(before, after), tmp_path) != fingerprint_of(CODE, tmp_path)


def test_it_is_the_same_in_every_version_of_python(tmp_path):
    # Measured with 3.11, 3.12 and 3.13, whose trees of f-strings differ.
    assert fingerprint_of(CODE, tmp_path) == "85155a7e78456df7"


def test_packages_data_and_order(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "module.py").write_text("x = 1\n")
    (tmp_path / "numbers.yaml").write_text("a: 1\n")
    of = [dependencies(names, root=tmp_path) for names in (["package", "module"], ["module"])]
    both = of[0].fingerprint(["numbers.yaml"])
    again = dependencies(["module", "package"], root=tmp_path)
    assert both == again.fingerprint(["numbers.yaml"])
    assert len({both, again.fingerprint(), of[1].fingerprint(["numbers.yaml"])}) == 3
    (tmp_path / "numbers.yaml").write_text("a: 2\n")
    assert both != again.fingerprint(["numbers.yaml"])


def test_a_missing_file_or_broken_module_is_named(tmp_path):
    (tmp_path / "module.py").write_text("")
    with pytest.raises(UserError, match="nothing.yaml does not exist"):
        dependencies(["module"], root=tmp_path).fingerprint(["nothing.yaml"])
    (tmp_path / "broken.py").write_text("def f(:\n    '''\n")
    with pytest.raises(UserError, match="broken.py is not valid Python"):
        dependencies(["broken"], root=tmp_path)
