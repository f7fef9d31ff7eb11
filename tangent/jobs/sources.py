"""What the registries of model and data set sources share: read an entry, call its source."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tangent.jobs.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A source: a function that takes exactly `options` as keywords."""

    function: Callable[..., Any]
    options: tuple[str, ...]


def parse(text: str) -> dict[str, Any]:
    """Read a registry entry given as JSON on a command line.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--source is not valid JSON ({error}): {text}") from error
    if not isinstance(content, dict):
        raise UserError(f"--source must be a JSON object with the key source, not {text}.")
    return content


def named(registry: Mapping[str, T], entry: Mapping[str, Any], key: str) -> T:
    """The source that an entry names as `source`; `key` is the entry's in the configuration.

    Raises:
        UserError: it is not in the registry.
    """
    name = entry.get("source")
    if name not in registry:
        raise UserError(f"{key}: unknown source {name!r}: choose one of {', '.join(registry)}.")
    return registry[name]


def call(
    registry: Mapping[str, Source], entry: Mapping[str, Any], key: str, *arguments: Any
) -> Any:
    """Call the source that an entry names, with its options as keywords.

    Args:
        registry: sources by name.
        entry: `source` and that source's options.
        key: the entry's key in the configuration, for messages.
        arguments: positional arguments of the source's function.

    Raises:
        UserError: unknown source, missing or unknown option, or whatever the source finds wrong.
    """
    source, options = named(registry, entry, key), dict(entry)
    name = options.pop("source")
    if set(options) != set(source.options):
        raise UserError(
            f"{key}: source {name!r} takes exactly the keys {', '.join(source.options)}, but was "
            f"given {', '.join(options) or 'none'}."
        )
    return source.function(*arguments, **options)
