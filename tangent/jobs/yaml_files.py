"""YAML files that people write, read with one line about whatever is wrong with them."""

from pathlib import Path
from typing import Any

import yaml

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_regular

_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: str | Path) -> Any:
    """The content of a file.

    Raises:
        UserError: it is missing or unreadable, no UTF-8 text, no YAML, or a key stands twice in one
            of its mappings, of which PyYAML keeps the last without a word. The message is one line,
            with the number of the line where there is one.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
        return yaml.load(text, Loader=_OneOfEach)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: it is no UTF-8 text; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        hint = "; indent with spaces" if "\\t" in str(error.problem) else ""
        raise UserError(f"{where}: it is no YAML: {error.problem}{hint}") from error
    except RecursionError as error:
        raise UserError(f"{path} is no YAML of ours: it is nested too deeply") from error
    except yaml.YAMLError as error:  # of a character that no YAML file may hold
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}") from error


class _OneOfEach(yaml.SafeLoader):
    """Refuses a mapping with a key twice. Keys that `<<` merges in may be overridden."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, AttributeError) as error:  # a date or number that there is not
            raise yaml.constructor.ConstructorError(
                problem=f"{str(node.value)[:20]!r} has no value; quote what is text",
                problem_mark=node.start_mark,
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        first: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            key = "<<" if key_node.tag == _MERGE else self.construct_object(key_node)
            line = key_node.start_mark.line + 1
            if key in first:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands in line {first[key]} already; keep one",
                    problem_mark=key_node.start_mark,
                )
            first[key] = line
        return super().construct_mapping(node, deep)
