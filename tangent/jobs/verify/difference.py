"""Where two sets of settings differ first, in words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

_ABSENT = object()


def first_difference(recorded: Any, planned: Any) -> str | None:
    """Say the first setting that differs, `KEY A, now B`; None if there is none.

    JSON texts are looked into: a flag may hold a whole entry of the configuration.
    """
    found = _difference("", recorded, planned)
    if found is None:
        return None
    key, before, now = found
    return f"{key} {_text(before)}, now {_text(now)}"


def _difference(key: str, before: Any, now: Any) -> tuple[str, Any, Any] | None:
    if before == now:
        return None
    before, now = _opened(before), _opened(now)
    if _is_same_path(before, now):
        return None
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = [*now, *(name for name in before if name not in now)]
        pairs = [(name, before.get(name, _ABSENT), now.get(name, _ABSENT)) for name in names]
    elif _is_nested(before) and _is_nested(now) and len(before) == len(now):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(before, now, strict=True))]
    else:
        return key, before, now
    found = (_difference(f"{key}.{name}" if key else name, *pair) for name, *pair in pairs)
    # Texts may be equal as JSON although they are not to the letter.
    return next((one for one in found if one is not None), None)


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            pass
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
