"""Loading: from a mapping (YAML, overlays merged) to a checked `Config`, or to every problem."""

from __future__ import annotations

import contextlib
import copy
import difflib
import functools
import operator
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tangent.config.checks import problems_across_keys
from tangent.config.schema import Config
from tangent.jobs.errors import UserError
from tangent.jobs.keys import NAME_PATTERN, PATH_PATTERN, REPOSITORY_PATTERN, SHA256_PATTERN
from tangent.jobs.yaml_files import read_yaml

Location = tuple[str | int, ...]


class ConfigError(UserError):
    """The configuration is wrong; the message is `problems`, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def load_config(mapping: Mapping[str, Any], source: str = "config.yaml") -> Config:
    """Check a configuration and return it frozen.

    Args:
        mapping: the content of the configuration files.
        source: how messages name the files.

    Raises:
        ConfigError: anything is wrong; every problem is listed, one line each.
    """
    problems: list[str] = []
    config = None
    try:
        config = Config.model_validate(mapping)
    except ValidationError as error:
        problems = descriptions(error, Config, mapping)
        # Where unknown keys are the only problems so far, those across keys can be listed too.
        if {details["type"] for details in error.errors()} == {"extra_forbidden"}:
            known = copy.deepcopy(mapping)
            for details in error.errors():
                *parents, key = _shown_location(details["loc"], mapping)
                del functools.reduce(operator.getitem, parents, known)[key]
            with contextlib.suppress(ValidationError):
                config = Config.model_validate(known)
    if config is not None:
        problems += problems_across_keys(config)
    if problems:
        raise ConfigError([f"{source}: {problem}" for problem in problems])
    return config


def extended_files(extends: Any) -> list[str]:
    """The files to merge before the one that says `extends`, in the order of merging.

    Args:
        extends: the value of the key; None gives no file.

    Raises:
        ConfigError: a file is not there, is no mapping in YAML, or comes twice.
    """
    files: list[str] = []
    while extends is not None:
        if not isinstance(extends, str):
            raise ConfigError([f"extends must be one path, not {extends!r}"])
        if not Path(extends).is_file():
            remedy = "give a file, its path from the repository root"
            raise ConfigError([f"extends: {extends} does not exist or is not a file: {remedy}"])
        if extends in files:
            raise ConfigError([f"extends: {' → '.join([*files, extends])} goes in a circle"])
        files.append(extends)
        content = read_checked(extends, "extends: ")
        if not isinstance(content, dict):
            raise ConfigError([f"extends: {extends} must be a mapping of keys"])
        extends = content.get("extends")
    return files[::-1]


def read_checked(path: str, prefix: str = "") -> Any:
    """`read_yaml` of a configuration's file.

    Raises:
        ConfigError: as `read_yaml`; the message begins with `prefix`.
    """
    try:
        return read_yaml(path)
    except UserError as error:
        raise ConfigError([f"{prefix}{error}"]) from error


def descriptions(error: ValidationError, root: type[BaseModel], content: Any) -> list[str]:
    """One line about each error of pydantic's in the `content` of a file that `root` describes."""
    return [_described(details, root, content) for details in error.errors(include_url=False)]


def _described(error: Mapping[str, Any], root: type[BaseModel], content: Any) -> str:
    location, kind, value = _shown_location(error["loc"], content), error["type"], error["input"]
    key, context = _dotted(location) or "the file", error.get("ctx", {})
    if kind == "extra_forbidden":
        branch = error["loc"][-2] if len(error["loc"]) > len(location) else None
        return f"{key} is not a known key; {_suggestion(location, branch, root)}"
    if kind == "missing":
        return f"{key} is missing"
    if kind.startswith("union_tag"):
        key += "." + context["discriminator"].strip("'")
        if kind == "union_tag_not_found":
            return f"{key} is missing"
        return f"{key} must be one of {context['expected_tags']}, not {context['tag']!r}"
    if kind == "string_pattern_mismatch":
        return f"{key}: {value!r} {_PATTERNS[context['pattern']]}"
    wanted = _WANTED.get(kind, error["msg"][:1].lower() + error["msg"][1:]).format(**context)
    hint = ""
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        with contextlib.suppress(ValueError):
            float(value)
            hint = " (YAML reads it as text: no quotes, and a decimal point, as in 1.0e-4)"
    shown = repr(value)
    return f"{key} {wanted}, not {shown if len(shown) <= 60 else shown[:57] + '...'}{hint}"


_WANTED = {
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
}
_PATTERNS = {
    NAME_PATTERN: "is not a name: use letters, digits, '.', '_' and '-', a letter or digit first",
    PATH_PATTERN: "is not a path that commands can take: use letters, digits and ._-/+@%=,: only, "
    "no ~ or $",
    REPOSITORY_PATTERN: "is not a repository of the hub: give owner/name",
    SHA256_PATTERN: "is not a SHA-256: it has 64 hexadecimal digits, in lower case",
}


def _shown_location(location: Location, content: Any) -> Location:
    """Pydantic's location without its marks: which kind of value it took, `[key]` of a key."""
    shown: list[str | int] = []
    marks: list[Any] = []
    for part in location:
        if part in marks or part in ("a list", "a grid", "a number", "[key]"):
            marks = []
            continue
        shown.append(part)
        with contextlib.suppress(LookupError, TypeError):
            content = content[part]
            is_mapping = isinstance(content, Mapping)
            marks = [content.get("source"), content.get("objective")] if is_mapping else []
    return tuple(shown)


def _dotted(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _suggestion(location: Location, branch: str | int | None, root: type[BaseModel]) -> str:
    """What an unknown key may have been meant to be; of a mapping of the kind `branch` if given."""
    *parents, wrong = location
    here = [
        (path[-1], model)
        for path, model in _all_keys(root)
        if len(path) == len(location)
        and all(one in ("NAME", 0, other) for one, other in zip(path, parents, strict=False))
    ]
    of_kind = [key for key, model in here if branch in _tags(model)]
    siblings = sorted(set(of_kind or [key for key, _ in here]))
    near = functools.partial(difflib.get_close_matches, str(wrong), siblings, n=1)
    candidates = [_dotted([*parents, sibling]) for sibling in near()]
    if branch is None and not near(cutoff=0.8):
        # A key in the wrong section is as frequent a slip as a misspelt one.
        candidates += [_dotted(path) for path, _ in _all_keys(root) if path[-1] == wrong]
    if candidates:
        return f"did you mean {' or '.join(dict.fromkeys(candidates))}?"
    return f"known keys here: {', '.join(siblings)}"


def _all_keys(
    model: type[BaseModel], prefix: Location = ()
) -> Iterator[tuple[Location, type[BaseModel]]]:
    """Every key with its section; on the way to it, NAME is any name and 0 any position."""
    for name, field in model.model_fields.items():
        yield (*prefix, name), model
        inside = {dict: ("NAME",), list: (0,)}.get(typing.get_origin(field.annotation), ())
        for inner in _models(field.annotation):
            yield from _all_keys(inner, (*prefix, name, *inside))


def _models(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    if typing.get_origin(hint) in (dict, list, typing.Annotated, typing.Union, types.UnionType):
        return [model for part in typing.get_args(hint) for model in _models(part)]
    return []


def _tags(model: type[BaseModel]) -> set[Any]:
    """The values of the keys that hold one value only: those that tell kinds apart."""
    values = [typing.get_args(field.annotation) for field in model.model_fields.values()]
    return {value for value, *others in filter(None, values) if not others}
