"""Fingerprints of code: what a step runs, without what cannot change what it does.

A fingerprint is a hash of the modules' tokens. Comments, docstrings, blank lines and line breaks
inside brackets are left out, so that only an edit that may change a result changes it. Tokens are
stable between Python versions (an `ast.dump` is not): an upgrade does not make every result stale.
"""

from __future__ import annotations

import hashlib
import io
import token
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file

_LAYOUT = {token.NL, token.COMMENT, token.ENCODING, token.ENDMARKER}
_BLOCK = {token.NEWLINE, token.INDENT, token.DEDENT}
# Python 3.12 splits f-strings (3.14 also t-strings) into several tokens; before, they were one.
_OPENING = {
    getattr(token, name) for name in ("FSTRING_START", "TSTRING_START") if hasattr(token, name)
}
_CLOSING = {getattr(token, name) for name in ("FSTRING_END", "TSTRING_END") if hasattr(token, name)}


def fingerprint(
    modules: Iterable[str],
    data: Iterable[str] = (),
    root: str | Path = ".",
    left_out: Mapping[str, frozenset[int]] | None = None,
) -> str:
    """Hash code, and data files that belong to it, to 16 hexadecimal digits.

    Args:
        modules: dotted names below the folder `root`, in any order.
        data: paths below `root` of files whose every byte counts, in any order.
        root: the folder.
        left_out: by module the lines that do not count, if any (`jobs.dependencies`).

    Raises:
        UserError: a file is missing, or a module is not valid Python.
    """
    root = Path(root)
    left_out = left_out or {}
    lines = [
        f"{module} {_module_hash(_source_file(module, root), left_out.get(module, frozenset()))}"
        for module in modules
    ]
    lines += [f"{path} {sha256_file(root / path)}" for path in data]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _source_file(module: str, root: Path) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _module_hash(path: Path, left_out: frozenset[int]) -> str:
    try:
        with tokenize.open(path) as file:
            source = file.read()
        tokens = list(significant_tokens(source, left_out))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist, but a step's code includes it.") from error
    except (SyntaxError, tokenize.TokenError) as error:
        raise UserError(f"{path} is not valid Python: {error}") from error
    # Separated by a character that no token holds: a space may be part of a string.
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()


def significant_tokens(source: str, left_out: Collection[int] = ()) -> Iterator[str]:
    """The tokens of Python source that can change what it does, in order.

    A statement that is nothing but a string (a docstring) does nothing and is left out with its end
    of line; so are the tokens of lines that are `left_out`. Block structure appears as the tokens'
    names, not as the whitespace it is written with.
    """
    statement: list[str] = []
    only_strings = True
    for kind, text in _merged_tokens(source, left_out):
        if kind in _BLOCK:
            if kind == token.NEWLINE:
                if not (statement and only_strings):
                    yield from statement
                    yield "NEWLINE"
                statement, only_strings = [], True
            else:
                yield token.tok_name[kind]
            continue
        statement.append(text)
        # An f-string calls what it formats; only a plain string does nothing.
        prefix = text.partition(text[-1])[0].lower()
        only_strings = only_strings and kind == token.STRING and not set(prefix) & set("ft")
    yield from statement


def _merged_tokens(source: str, left_out: Collection[int]) -> Iterator[tuple[int, str]]:
    """Kind and text of each token, an f-string as one STRING with its source text."""
    lines = io.StringIO(source).readlines()
    depth, start = 0, (0, 0)
    for item in tokenize.generate_tokens(io.StringIO(source).readline):
        if item.start[0] in left_out:
            continue
        if item.type in _OPENING:
            start = item.start if depth == 0 else start
            depth += 1
        elif item.type in _CLOSING:
            depth -= 1
            if depth == 0:
                yield token.STRING, _between(lines, start, item.end)
        elif depth == 0 and item.type not in _LAYOUT:
            yield item.type, item.string


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])
