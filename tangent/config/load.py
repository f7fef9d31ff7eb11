"""From a mapping (YAML, overlays merged) to a checked `Config`, or to a list of every problem."""

from __future__ import annotations

import contextlib
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo

from tangent.config.checks import problems_across_keys
from tangent.config.schema import Config
from tangent.config.types import NAME_PATTERN, PATH_PATTERN, REPOSITORY_PATTERN, SHA256_PATTERN
from tangent.jobs.errors import UserError


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
        errors = error.errors(include_url=False)
        problems = [describe(details, Config) for details in errors]
        # Where unknown keys are the only problems so far, those across keys can be listed too.
        unknown = [details["loc"] for details in errors if details["type"] == "extra_forbidden"]
        if len(unknown) == len(errors):
            with contextlib.suppress(ValidationError):
                config = Config.model_validate(_without(mapping, unknown))
    if config is not None:
        problems += problems_across_keys(config)
    if problems:
        raise ConfigError([f"{source}: {problem}" for problem in problems])
    return config


def describe(error: Mapping[str, Any], root: type[BaseModel]) -> str:
    """One line about an error of pydantic's in a file that `root` describes."""
    location = _shown_location(error["loc"], root)
    key, kind, value = _dotted(location) or "the file", error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{key} is not a known key; {_suggestion(location, error['loc'], root)}"
    if kind == "missing":
        return f"{key} is missing"
    if kind == "union_tag_not_found":
        return f"{key}.{_discriminator(context)} is missing"
    if kind == "union_tag_invalid":
        key = f"{key}.{_discriminator(context)}"
        return f"{key} must be one of {context['expected_tags']}, not {context['tag']!r}"
    if kind == "string_pattern_mismatch":
        return f"{key}: {value!r} {_PATTERNS[context['pattern']]}"
    wanted = _WANTED.get(kind, error["msg"][:1].lower() + error["msg"][1:]).format(**context)
    hint = ""
    if isinstance(value, str) and kind in ("float_type", "int_type") and _is_number(value):
        hint = " (YAML reads it as text: no quotes, and a decimal point, as in 1.0e-4)"
    return f"{key} {wanted}, not {_shown(value)}{hint}"


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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _discriminator(context: Mapping[str, Any]) -> str:
    """The key that tells the kinds of a mapping apart; pydantic quotes it."""
    return context["discriminator"].strip("'")


def _shown_location(location: Sequence[str | int], root: type[BaseModel]) -> tuple[str | int, ...]:
    """Pydantic's location without its marks: the kind of a mapping, `[key]` of a mapping's key."""
    shown, hint = [], root
    for part in location:
        kinds = _kinds(hint)
        if kinds and part in kinds:
            hint = kinds[part]
        elif part != "[key]":
            shown.append(part)
            hint = _inside(hint, str(part))
    return tuple(shown)


def _kinds(hint: Any) -> dict[str, Any]:
    """What may stand at a key in turn, by the value or the tag that tells it apart."""
    for argument in typing.get_args(hint):
        if isinstance(argument, FieldInfo) and argument.discriminator:
            return {
                typing.get_args(model.model_fields[argument.discriminator].annotation)[0]: model
                for model in _models(hint)
            }
    return {
        mark.tag: member
        for member in typing.get_args(hint)
        for mark in getattr(member, "__metadata__", ())
        if isinstance(mark, Tag)
    }


def _inside(hint: Any, part: str) -> Any:
    """The type of what stands at the key or position `part` of a `hint`."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        field = hint.model_fields.get(part)
        # Pydantic keeps a field's own discriminator beside its annotation.
        return field and (
            typing.Annotated[field.annotation, field] if field.discriminator else field.annotation
        )
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        return _inside(arguments[0], part)
    return arguments[-1] if typing.get_origin(hint) in (dict, list) else None


def _dotted(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _suggestion(
    location: Sequence[str | int], marked: Sequence[str | int], root: type[BaseModel]
) -> str:
    *parents, wrong = location
    branch = marked[-2] if len(marked) > len(location) else None
    siblings = known_keys(parents, branch, root)
    for likely in difflib.get_close_matches(str(wrong), siblings, n=1, cutoff=0.8):
        return f"did you mean {_dotted([*parents, likely])}?"
    near = difflib.get_close_matches(str(wrong), siblings, n=1)
    candidates = [_dotted([*parents, sibling]) for sibling in near]
    if branch is None:
        # A key in the wrong section is as frequent a slip as a misspelt one.
        candidates += [key for key in _all_keys(root) if key.rsplit(".", 1)[-1] == str(wrong)]
    if candidates:
        return f"did you mean {' or '.join(candidates)}?"
    return f"known keys here: {', '.join(siblings)}"


def known_keys(
    location: Sequence[str | int],
    branch: str | int | None = None,
    root: type[BaseModel] = Config,
) -> list[str]:
    """The keys that `root` allows in the mapping at `location`, of its kind `branch` if given."""
    models: list[type[BaseModel]] = [root]
    for part in location:
        inner = [hint for model in models for hint in _hints(model, str(part))]
        models = [model for hint in inner for model in _models(hint)] or models
    if branch is not None:
        models = [model for model in models if branch in _tags(model)] or models
    return sorted({name for model in models for name in model.model_fields})


def _hints(model: type[BaseModel], name: str) -> list[Any]:
    return [model.model_fields[name].annotation] if name in model.model_fields else []


def _tags(model: type[BaseModel]) -> set[Any]:
    """The values of the keys that hold one value only: those that tell kinds apart."""
    values = [typing.get_args(field.annotation) for field in model.model_fields.values()]
    return {value for value, *others in filter(None, values) if not others}


def _models(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    if typing.get_origin(hint) in (dict, list, typing.Annotated, typing.Union, types.UnionType):
        return [model for part in typing.get_args(hint) for model in _models(part)]
    return []


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    paths = []
    for name, field in model.model_fields.items():
        paths.append(prefix + name)
        is_mapping = typing.get_origin(field.annotation) is dict
        for inner in _models(field.annotation):
            paths += _all_keys(inner, f"{prefix}{name}.{'NAME.' if is_mapping else ''}")
    return list(dict.fromkeys(paths))


def _without(mapping: Mapping[str, Any], locations: Sequence[tuple[str | int, ...]]) -> Any:
    """A copy of `mapping` without the entries at `locations` (pydantic's, of unknown keys)."""
    drop = {_shown_location(location, Config) for location in locations}

    def copy(value: Any, here: tuple[str | int, ...]) -> Any:
        if isinstance(value, Mapping):
            items = value.items()
            return {k: copy(v, (*here, k)) for k, v in items if (*here, k) not in drop}
        return value

    return copy(mapping, ())
