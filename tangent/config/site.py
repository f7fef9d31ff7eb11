"""Names and limits of a cluster: the file that the Slurm profile reads (docs/cluster.md)."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tangent.config.load import validated
from tangent.jobs.errors import UserError
from tangent.jobs.keys import NonEmptyString, PositiveInteger, Section
from tangent.jobs.yaml_files import read_yaml

Resource = Literal[
    "mem_mb", "runtime", "gpu", "gpu_model", "cpus_per_task", "slurm_partition", "slurm_account",
    "slurm_extra", "qos", "constraint",
]  # fmt: skip
Count = Annotated[int, Field(ge=0)]
Resources = dict[Resource, Count | NonEmptyString]

GROWING = ("mem_mb", "runtime")
"""Resources of which a failed job asks for more when it is tried again."""


class Partitions(Section):
    """Names of partitions; without one the cluster's default is used."""

    cpu: NonEmptyString | None = None
    gpu: NonEmptyString | None = None


class Site(Section):
    """The file."""

    account: NonEmptyString | None = None
    """Whom jobs are charged to."""
    partitions: Partitions = Partitions()
    """Where jobs without and with a GPU go."""
    status: Literal["squeue", "sacct"] = "squeue"
    """How states of jobs are asked for: `squeue`, or `sacct` where Slurm has a database."""
    seconds_between_checks: PositiveInteger = 30
    """The shortest time between two questions."""
    jobs: PositiveInteger = 100
    """The most jobs in the queue at a time."""
    seconds_to_save: PositiveInteger = 120
    """A job is told to save its state so long before its time is up."""
    defaults: Resources = {}
    """Resources of every job."""
    rules: dict[str, Resources] = {}
    """Resources of a rule's jobs, over the rule's own and the defaults."""

    def default_resources(self) -> dict[str, Any]:
        """Snakemake's `default-resources`: where jobs go, and the site's own."""
        named = {"slurm_account": self.account, "slurm_partition": self.partitions.cpu}
        named = {name: value for name, value in named.items() if value is not None}
        return expressions({**named, **self.defaults})

    def resources_of_rules(self, saves: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Snakemake's `set-resources`; jobs of the rules `saves` save their state when told to."""
        found = {rule: dict(resources) for rule, resources in self.rules.items()}
        for rule in saves:
            own = found.setdefault(rule, {})
            extra = own.get("slurm_extra", self.defaults.get("slurm_extra", ""))
            own["slurm_extra"] = f"--signal=TERM@{self.seconds_to_save} {extra}".strip()
        return {rule: expressions(resources) for rule, resources in found.items()}


def expressions(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Python expressions, which Snakemake takes resources for."""
    return {
        name: f"attempt * {value}"
        if name in GROWING and isinstance(value, int)
        else repr(value)
        if isinstance(value, str)
        else value
        for name, value in resources.items()
    }


def read_site(path: str, rules: str = "rules") -> Site:
    """Read and check the file; `rules` is the folder of the workflow's rules.

    Raises:
        UserError: the file is not there, or anything in it is wrong; every problem has a line.
    """
    if not Path(path).is_file():
        example = path.replace(".yaml", ".example.yaml")
        remedy = f"copy {example} to {path} and put your partition and account in (docs/cluster.md)"
        raise UserError(f"{path} does not exist: {remedy}")
    content = read_yaml(path)
    site = validated(Site, {} if content is None else content, path)
    known = rule_names(rules)
    if unknown := [name for name in site.rules if name not in known]:
        names = ", ".join(sorted(known))
        raise UserError(*[f"{path}: rules.{name} is no rule; rules: {names}" for name in unknown])
    return site


def rule_names(folder: str) -> set[str]:
    """Names of the rules in a folder's files."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in Path(folder).glob("*.smk"))
    return set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.MULTILINE))
