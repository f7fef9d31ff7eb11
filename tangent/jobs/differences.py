"""Differences between the settings that a job had and those that it would have today."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

_ABSENT = object()


def first_difference(recorded: Any, planned: Any) -> str | None:
    """Say the first setting that differs, `KEY A, now B`; None if there is none.

    JSON texts are looked into: a flag may hold a whole entry of the configuration.
    """
    return next(_differences("", recorded, planned), None)


def _differences(key: str, before: Any, now: Any) -> Iterator[str]:
    before, now = _opened(before), _opened(now)
    if before == now or _is_same_path(before, now):
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = {**now, **before}
        pairs = {name: (before.get(name, _ABSENT), now.get(name, _ABSENT)) for name in names}
    elif _is_nested(before) and _is_nested(now) and len(before) == len(now):
        pairs = dict(enumerate(zip(before, now, strict=True)))
    else:
        yield f"{key} {_text(before)}, now {_text(now)}"
        return
    for name, pair in pairs.items():
        yield from _differences(f"{key}.{name}" if key else name, *pair)


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        with suppress(json.JSONDecodeError):
            return json.loads(value)
    return value


def _is_same_path(before: Any, now: Any) -> bool:
    """Whether two texts are one path, relative in one of them or with a `./`."""
    are_texts = isinstance(before, str) and isinstance(now, str)
    return are_texts and os.path.abspath(before) == os.path.abspath(now)


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(_opened(item), dict) for item in value)


def _text(value: Any) -> str:
    if value is _ABSENT:
        return "not given"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
