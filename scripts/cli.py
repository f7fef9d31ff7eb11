"""From a frozen dataclass to a command line, and from a `UserError` to one line and exit status 1.

A script declares its arguments once, as fields that carry their help; its docstring explains it:

    class Arguments(cli.Common):
        head: Path = cli.argument("zero-shot head of the task (safetensors)")

    def run(arguments: Arguments) -> None: ...

`python -m scripts NAME` parses the flags and runs it.
"""

import argparse
import dataclasses
import json
import logging
import os
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tangent.jobs import gpus, job_record, provenance
from tangent.jobs.errors import Interrupted, UserError, first_line, is_out_of_memory
from tangent.jobs.files import write_json
from tangent.jobs.progress import start_logging
from tangent.jobs.run_lock import join_run

A = TypeVar("A", bound="Common")


def argument(help: str, default: Any = dataclasses.MISSING, is_decisive: bool = True) -> Any:
    """A field of a script's arguments.

    Args:
        help: what `--help` prints.
        default: without one the flag must be given.
        is_decisive: whether it can change a result.
    """
    about = {"help": help, "is_decisive": is_decisive}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=about)
    return dataclasses.field(default=default, metadata=about)


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(argument,))
@dataclasses.dataclass(frozen=True, kw_only=True)
class Common:
    """Arguments that every script takes; a subclass becomes a frozen dataclass of its own."""

    code: str = argument("fingerprint of the code, recorded with the result", "", False)
    log: Path | None = argument("file for the log's plain lines", None, False)

    if_out_of_memory: ClassVar[str] = "Run fewer jobs at once, or use a machine with more memory."

    def __init_subclass__(cls) -> None:
        if cls.__module__ == "__main__":
            package, _, name = sys.modules["__main__"].__spec__.name.partition(".")
            if package == "scripts":
                sys.exit(f"run it as: python -m scripts {name}")
        cls.__doc__ = cls.__doc__ or sys.modules[cls.__module__].__doc__
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def settings(self) -> dict[str, Any]:
        """All arguments but those that cannot change a result."""
        fields = [field for field in dataclasses.fields(self) if field.metadata["is_decisive"]]
        return {field.name: getattr(self, field.name) for field in fields}

    def chosen(self, *names: str) -> dict[str, Any]:
        """Some arguments, by name: what a result is about."""
        return {name: getattr(self, name) for name in names}

    def provenance(self, inputs: Iterable[Path]) -> dict[str, Any]:
        """The provenance block of a result that was computed from the files `inputs`."""
        return provenance.record(inputs, self.settings(), self.code)

    def metadata(self, inputs: Iterable[Path], **about: str) -> dict[str, str]:
        """What a safetensors file says of itself: `about`, and its provenance."""
        return about | {"provenance": json.dumps(self.provenance(inputs))}

    def write(self, path: Path, result: Mapping[str, Any], inputs: Iterable[Path]) -> None:
        """Write a result as JSON, with its provenance."""
        write_json(path, {**result, "provenance": self.provenance(inputs)})


def parse(arguments_class: type[A], argv: list[str] | None = None) -> A:
    """Parse `argv` (default: the command line) into `arguments_class`.

    Fields of type `list[...]` take one or more values, `X | None` are optional, `dict[str, Path]`
    take NAME=PATH (or NAME=TEXT) pairs, `bool` is true where the flag is given; underscores in
    names become dashes.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {arguments_class.__module__.replace('.', ' ')}",
        description=arguments_class.__doc__,
        argument_default=argparse.SUPPRESS,  # the fields have their defaults
    )
    hints = typing.get_type_hints(arguments_class)
    for field in dataclasses.fields(arguments_class):
        _add(parser, field, hints[field.name])
    return arguments_class(**vars(parser.parse_args(argv)))


def main(arguments_class: type[A], run: Callable[[A], None], argv: list[str] | None = None) -> None:
    """Parse `argv` (default: the command line) and run.

    A job, which has a log, leaves a record of itself beside it. A `UserError`, running out of
    memory and a GPU without code in torch are answered with one line and status 1.
    """
    arguments = parse(arguments_class, argv)
    start_logging(arguments.log)
    join_run()
    # Of several processes that torchrun started, the first one writes all files.
    is_recorded = arguments.log is not None and os.environ.get("RANK", "0") == "0"
    logger = logging.getLogger("tangent")
    try:
        if is_recorded:
            with _told():
                job_record.remove(arguments.log)
        run(arguments)
        if is_recorded:
            step = arguments_class.__module__.removeprefix("scripts.")
            with _told():
                job_record.write(arguments.log, step, arguments.settings(), arguments.code)
    except Interrupted as interruption:
        logger.warning("stopped by %s", interruption)
        sys.exit(interruption.exit_status)
    except UserError as error:
        logger.error("error: %s", error)
        sys.exit(1)
    except Exception as error:
        if is_out_of_memory(error):
            remedy = arguments.if_out_of_memory
            logger.error("error: out of memory. %s (%s)", remedy, first_line(error))
            sys.exit(1)
        if message := gpus.without_code(error):
            logger.error("error: %s", message)
            sys.exit(1)
        logger.exception("this is a bug of the pipeline, not of your input; please report it")
        sys.exit(2)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what went wrong with the record, but do not fail."""
    try:
        yield
    except UserError as error:
        # Snakemake deletes what a failed job wrote: hours of training for a missing record.
        logging.getLogger("tangent").warning("`snakemake verify` will miss a record: %s", error)


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field, hint: Any) -> None:
    has_default = {field.default, field.default_factory} != {dataclasses.MISSING}
    options: dict[str, Any] = {"help": field.metadata["help"], "required": not has_default}
    if isinstance(hint, types.UnionType):  # X | None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    origin = typing.get_origin(hint)
    if origin is dict:
        of = typing.get_args(hint)[1]
        metavar = "NAME=PATH" if of is Path else "NAME=TEXT"
        options |= {"nargs": "+", "action": _Pairs, "type": str, "const": of, "metavar": metavar}
    elif origin is list:
        options |= {"nargs": "+", "type": typing.get_args(hint)[0]}
    elif origin is typing.Literal:
        options |= {"choices": typing.get_args(hint)}
    elif hint is bool:
        options |= {"action": "store_true"}
    else:
        options |= {"type": hint}
    parser.add_argument("--" + field.name.replace("_", "-"), dest=field.name, **options)


class _Pairs(argparse.Action):
    """NAME=VALUE pairs as a dict, in the order given; `const` makes the values of texts."""

    def __call__(self, parser, namespace, values, option_string=None):
        pairs = {}
        for value in values:
            name, separator, text = value.partition("=")
            if not separator or not name or not text:
                parser.error(f"{option_string}: {value!r} is not of the form {self.metavar}")
            pairs[name] = self.const(text)
        setattr(namespace, self.dest, pairs)
