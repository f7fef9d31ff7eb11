"""Loading: from a mapping (YAML, overlays merged) to a checked `Config`, or to every problem."""

import contextlib
import difflib
import functools
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tangent.config.checks import problems_across_keys
from tangent.config.schema import Config
from tangent.data.sources.locating import contents
from tangent.data.sources.source import Absent
from tangent.jobs import keys
from tangent.jobs.errors import UserError
from tangent.jobs.yaml_files import read_yaml

Location = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


def load_config(mapping: Mapping[str, Any], source: str = "config.yaml") -> Config:
    """Check the content of configuration files, which messages call `source`; returns it frozen.

    Raises:
        UserError: anything is wrong; every problem is listed, one line each.
    """
    problems: list[str] = []
    try:
        config = Config.model_validate(mapping)
    except ValidationError as error:
        problems, config = _descriptions(error, Config, mapping), None
        # Where unknown keys are the only problems so far, those across keys can be listed too.
        with contextlib.suppress(ValidationError):
            config = Config.model_validate(mapping, extra="ignore")
    if config is not None:
        config, uncounted = _counted(config)
        problems += [*uncounted, *problems_across_keys(config)]
    if problems:
        raise UserError(*[f"{source}: {problem}" for problem in problems])
    return config


def _counted(config: Config) -> tuple[Config, list[str]]:
    """The configuration with the sizes that it leaves out, and why some cannot be counted."""
    problems, datasets = [], dict(config.datasets)
    for name in dict.fromkeys([*config.tasks, config.control]):
        dataset = datasets.get(name)
        if dataset is None or None not in (dataset.train_images, dataset.test_images):
            continue
        key = f"datasets.{name}"
        try:
            found = contents(name, dataset.sources)
        except (Absent, UserError) as error:
            problems.append(f"{key}.sources: {error}")
            continue
        if found is None:
            missing = "test_images" if dataset.train_images else "train_images"
            problems.append(f"{key}.{missing} is missing; none of its sources can be counted")
            continue
        counts = {f"{split}_images": size for split, size in vars(found.sizes).items()}
        given = dataset.model_dump(include=counts.keys(), exclude_none=True)
        datasets[name] = dataset.model_copy(update=counts | given)
    return config.model_copy(update={"datasets": datasets}), problems


def extended_files(extends: Any) -> list[str]:
    """The files to merge before the one that says `extends` (None: no file), in order of merging.

    Raises:
        UserError: a file is not there, is no mapping in YAML, or comes twice.
    """
    files: list[str] = []
    while extends is not None:
        if not isinstance(extends, str):
            raise UserError(f"extends must be one path, not {extends!r}")
        if not Path(extends).is_file():
            remedy = "give a file, its path from the repository root"
            raise UserError(f"extends: {extends} does not exist or is not a file: {remedy}")
        if extends in files:
            raise UserError(f"extends: {' → '.join([*files, extends])} goes in a circle")
        files.append(extends)
        try:
            content = read_yaml(extends)
        except UserError as error:
            raise UserError(f"extends: {error}") from error
        if not isinstance(content, dict):
            raise UserError(f"extends: {extends} must be a mapping of keys")
        extends = content.get("extends")
    return files[::-1]


def validated(model: type[M], content: Any, source: str) -> M:
    """The `content` of a file that `model` describes.

    Raises:
        UserError: anything is wrong; every problem has a line, which begins with `source`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = _descriptions(error, model, content)
        raise UserError(*[f"{source}: {problem}" for problem in problems]) from error


def _descriptions(error: ValidationError, root: type[BaseModel], content: Any) -> list[str]:
    return [_described(details, root, content) for details in error.errors(include_url=False)]


def _described(error: Mapping[str, Any], root: type[BaseModel], content: Any) -> str:
    location, kind, value = _shown_location(error["loc"], content), error["type"], error["input"]
    key, context = dotted(location) or "the file", error.get("ctx", {})
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
    wanted = _WANTED.get(kind, error["msg"].replace("Input should", "must")).format(**context)
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
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must not be empty",
    "invalid_key": "must be text",
    "literal_error": "must be one of {expected}",
}
_PATTERNS = {
    keys.NAME_PATTERN: "is not a name: letters, digits, '.', '_' and '-', a letter or digit first",
    keys.PATH_PATTERN: "is not a path that commands can take: use letters, digits and "
    "._-/+@%=,: only, no ~ or $",
    keys.REPOSITORY_PATTERN: "is not a repository of the hub: give owner/name",
    keys.SHA256_PATTERN: "is not a SHA-256: it has 64 hexadecimal digits, in lower case",
    keys.TEXT_PATTERN: "is not a line of text: it holds a line break or a control character",
}


def _shown_location(location: Location, content: Any) -> Location:
    """Pydantic's location without its marks: which kind of value it took, `[key]` of a key."""
    shown: list[str | int] = []
    marks: list[Any] = []
    for part in location:
        if part in marks or part in ("a list", "a grid", "a number", "a mapping", "[key]"):
            marks = []
            continue
        shown.append(part)
        with contextlib.suppress(LookupError, TypeError):
            content = content[part]
            is_mapping = isinstance(content, Mapping)
            marks = [content.get("source"), content.get("objective")] if is_mapping else []
    return tuple(shown)


def dotted(location: Sequence[str | int]) -> str:
    """A location as people write it: `datasets.shapes.sources[0]`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _suggestion(location: Location, branch: str | int | None, root: type[BaseModel]) -> str:
    """What an unknown key may have been meant to be; of a mapping of the kind `branch` if given."""
    *parents, wrong = location
    here = [model for path, model in sections(root) if _is_at(path, parents)]
    of_kind = [model for model in here if branch in _tags(model)]
    siblings = sorted({key for model in of_kind or here for key in model.model_fields})
    near = functools.partial(difflib.get_close_matches, str(wrong), siblings, n=1)
    candidates = [dotted([*parents, sibling]) for sibling in near()]
    if branch is None and not near(cutoff=0.8):
        # A key in the wrong section is as frequent a slip as a misspelt one.
        elsewhere = [path for path, model in sections(root) if wrong in model.model_fields]
        candidates += [dotted([*path, wrong]) for path in elsewhere]
    if candidates:
        return f"did you mean {' or '.join(dict.fromkeys(candidates))}?"
    return f"known keys here: {', '.join(siblings)}"


def sections(model: Any, path: Location = ()) -> Iterator[tuple[Location, type[BaseModel]]]:
    """A model and all in its fields (or those in another type), with the ways to them.

    On a way NAME is any name, {a,b} one of these, and 0 any position.
    """
    parts = typing.get_args(model)
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield path, model
        for name, field in model.model_fields.items():
            yield from sections(field.annotation, (*path, name))
    elif typing.get_origin(model) is dict:
        is_literal = typing.get_origin(parts[0]) is typing.Literal
        name = f"{{{','.join(typing.get_args(parts[0]))}}}" if is_literal else "NAME"
        yield from sections(parts[1], (*path, name))
    elif typing.get_origin(model) is list:
        yield from sections(parts[0], (*path, 0))
    else:  # annotated, or one of several
        for part in parts:
            yield from sections(part, path)


def _is_at(path: Location, location: Sequence[str | int]) -> bool:
    """Whether a way that `sections` gives leads to a location."""
    return len(path) == len(location) and all(
        one in ("NAME", 0) or other in one.strip("{}").split(",")
        for one, other in zip(path, location, strict=True)
    )


def _tags(model: type[BaseModel]) -> set[Any]:
    """The values of the keys that hold one value only: those that tell kinds apart."""
    values = [typing.get_args(field.annotation) for field in model.model_fields.values()]
    return {value for value, *others in filter(None, values) if not others}
