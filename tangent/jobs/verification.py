"""Comparison of a study's files with the records of its jobs and with its workflow of today."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from tangent.jobs import job_record, provenance
from tangent.jobs.differences import first_difference
from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file
from tangent.jobs.job_record import JobRecord
from tangent.jobs.progress import Progress

LISTED = 3
_CHOOSES = {"adopt_training"}  # reads one of several trainings
_STATES = {"state.pt"}  # of jobs that did not finish
AGAIN = "run snakemake, and if that does not make it again, delete it first"
DELETE = "delete it and run snakemake again"


def plain_path(path: str | Path) -> str:
    """A path as it is compared and shown: relative inside the present folder, absolute outside."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.split(os.sep)[0] == os.pardir else relative


@dataclass(frozen=True)
class PlannedJob:
    """A job with today's configuration and code, whether it has run or not.

    Attributes:
        record: where it leaves the record of itself (`tangent.jobs.job_record`).
        step, settings, code: what that record would say today.
        inputs: the files that it reads, as `plain_path` writes them.
        outputs: the files and folders that it writes, likewise.
    """

    record: Path
    step: str
    settings: Mapping[str, Any]
    code: str
    inputs: Sequence[str]
    outputs: Sequence[str]

    def makes(self, path: str) -> bool:
        """Whether a file is one of its outputs or lies in one."""
        return any(path == output or path.startswith(f"{output}/") for output in self.outputs)

    def files(self) -> list[str]:
        """Its outputs that exist; of a folder, the files in it, but for Snakemake's time stamp."""
        found = []
        for output in map(Path, self.outputs):
            inside = sorted(output.rglob("[!.]*"))
            found += [str(file) for file in (output, *inside) if file.is_file()]
        return found


@dataclass(frozen=True)
class Finding:
    """A link that does not match: the file, what is wrong with it, and what to do."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} {self.problem}: {self.remedy}."


@dataclass
class Verification:
    """What was found.

    Attributes:
        findings: the links that do not match, in the order of the workflow.
        missing: results that the configuration asks for and that do not exist.
        gone: inputs that were recorded, that no job of the study makes, and that do not exist.
        results: number of results that exist.
        links: number of recorded inputs that were compared.
        files: number of files hashed.
        size: their bytes.
    """

    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    results: int = 0
    links: int = 0
    files: int = 0
    size: int = 0


def verify(jobs: Sequence[PlannedJob], folder: Path, threads: int = 1) -> Verification:
    """Check every result of a study that exists, by all of its jobs as they would run today.

    For each job, in the order of the workflow: its files have the bytes that its record states, and
    all are there; its settings and its code are today's; what it read is what the record of the job
    that made it states, or, of a file that no job of the study makes, what the file is. In the end,
    a job has made every file in the study's folder. `threads` files are hashed at a time.

    Raises:
        UserError: a file cannot be read.
    """
    walk = _Walk(in_order(jobs), threads)
    recorded = (folder / "logs").rglob("*.json")
    records = [_read(path) for path in recorded if Path(plain_path(path)) not in walk.records]
    records = [one for one in (*walk.records.values(), *records) if isinstance(one, JobRecord)]
    planned = {path for job in jobs for path in (*job.inputs, *job.outputs)}
    known = planned.union(_STATES, *(record.outputs for record in records))
    walk.verification.findings += [
        Finding(path, "was written by no job of this study, as it is or was", "move it elsewhere")
        for path in _strays(folder, known)
    ]
    return walk.verification


def _strays(folder: Path, known: set[str]) -> Iterator[str]:
    """Files beside results of another path and name than the known ones, and in none of these."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in ("logs", "benchmarks")]
        for name in sorted(names):
            path = plain_path(Path(place, name))
            around = map(str, Path(path).parents)
            if not name.startswith(".") and known.isdisjoint((path, name, *around)):
                yield path


def in_order(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """Every job after those that it depends on, so that a root cause comes before what follows.

    A job comes as late as it may: one that needs nothing stands beside those that wait for it, and
    an edited setting is seen at the step that it is about before it is seen in the configuration
    that the tables read.
    """
    made_by = {output: job.record for job in jobs for output in job.outputs}
    before = {job.record: [made_by[path] for path in job.inputs if path in made_by] for job in jobs}
    after: dict[Path, list[Path]] = {record: [] for record in before}
    for record, needed in before.items():
        for earlier in needed:
            after[earlier].append(record)

    @cache
    def steps(record: Path, is_forward: bool) -> int:
        """The longest way from here to the end of the workflow, or to its beginning."""
        neighbours = (after if is_forward else before)[record]
        return max((1 + steps(other, is_forward) for other in neighbours), default=0)

    return sorted(
        jobs, key=lambda job: (-steps(job.record, True), -steps(job.record, False), job.outputs[0])
    )


class _Walk:
    def __init__(self, jobs: Sequence[PlannedJob], threads: int) -> None:
        self.verification = Verification()
        self.outputs = {output for job in jobs for output in job.outputs}
        self.records = {job.record: _read(job.record) for job in jobs}
        known = [(job, self.records[job.record]) for job in jobs]
        known = [(job, record) for job, record in known if isinstance(record, JobRecord)]
        self.wrote = {
            path: output
            for job, record in known
            for path, output in record.outputs.items()
            if job.makes(path)
        }
        # A split stands for itself with the digest that it states.
        read = {
            path
            for _, record in known
            for path, digest in record.inputs.items()
            if path not in self.wrote and not digest.startswith(provenance.CONTENT)
        }
        self.hashes = _hash_files(read.union(*(job.files() for job in jobs)), threads)
        self.verification.files = len(self.hashes)
        self.verification.size = sum(map(os.path.getsize, self.hashes))
        self.path_of = {output.sha256: path for path, output in self.wrote.items()}
        for job in jobs:
            self.verification.findings += self._of_job(job)

    def _of_job(self, job: PlannedJob) -> Iterator[Finding]:
        files = job.files()
        there = {path for path in job.outputs if os.path.lexists(path)}
        self.verification.missing += [path for path in job.outputs if path not in there]
        self.verification.results += len(files)
        if not there:
            return
        record, first = self.records[job.record], (files or sorted(there))[0]
        if record is None:
            problem = (
                f"has no record of the job that made it ({job.record}): it was made by hand, by "
                "an older version, or by a job that did not finish"
            )
            yield Finding(first, problem, AGAIN)
        elif isinstance(record, UserError):
            yield Finding(first, f"has a record that cannot be read ({record})", DELETE)
        else:
            yield from self._of_files(job, record, files)
            for path in sorted(record.outputs.keys() - set(files)):
                if not there.isdisjoint((path, *map(str, Path(path).parents))):
                    problem = f"is not the file, or not there, that its job wrote ({job.record})"
                    yield Finding(path, problem, DELETE)
            yield from _of_settings_and_code(job, record, first)
            yield from self._of_inputs(job, record, first)

    def _of_files(
        self, job: PlannedJob, record: JobRecord, files: Sequence[str]
    ) -> Iterator[Finding]:
        for path in files:
            if path not in record.outputs:
                problem, remedy = f"is no file that its job wrote, says {job.record}", DELETE
                foreign = next((name for name in record.outputs if not job.makes(name)), None)
                if foreign is not None:
                    problem = f"was copied with its record: {job.record} is that of {foreign}"
                    remedy = "delete it and that record, and run snakemake again"
                yield Finding(path, problem, remedy)
            elif (found := self.hashes[path]) != (written := record.outputs[path].sha256):
                origin = self.path_of.get(found)
                how = "It was edited or swapped" if origin is None else f"It is a copy of {origin}"
                problem = (
                    f"is not what its job wrote: its SHA-256 is {_short(found)}, its record "
                    f"({job.record}) says {_short(written)}. {how}"
                )
                yield Finding(path, problem, DELETE)

    def _of_inputs(self, job: PlannedJob, record: JobRecord, result: str) -> Iterator[Finding]:
        needed = () if job.step in _CHOOSES else job.inputs
        for path in sorted(set(needed) - record.inputs.keys()):
            problem = f"was computed from {path}, of which its record ({job.record}) says nothing"
            yield Finding(result, problem, DELETE)
        for path, digest in record.inputs.items():
            now = self._stands_for(path, digest)
            if now is None:
                if path not in self.outputs and path not in self.verification.gone:
                    self.verification.gone.append(path)
                continue
            self.verification.links += 1
            if now != digest:
                problem = (
                    f"was computed from another {path}: its record says {_short(digest)}, the file "
                    f"is now {_short(now)}. {path} was made again or swapped since"
                )
                yield Finding(result, problem, DELETE)

    def _stands_for(self, path: str, recorded: str) -> str | None:
        """The digest of a file, as its maker recorded it or as it is; None if it is gone."""
        if path in self.wrote:
            return self.wrote[path].digest
        if not recorded.startswith(provenance.CONTENT):
            return self.hashes.get(path)
        return provenance.digest(path) if os.path.isfile(path) else None


def _of_settings_and_code(job: PlannedJob, record: JobRecord, result: str) -> Iterator[Finding]:
    if record.step != job.step:
        yield Finding(result, f"was made by {record.step}, not by {job.step}", DELETE)
        return
    difference = first_difference(record.settings, job.settings)
    if difference is not None:
        problem = f"was made with other settings than today's configuration gives: {difference}"
        yield Finding(result, problem, f"restore the configuration, or {AGAIN}")
    if record.code != job.code:
        problem = (
            f"was made by other code of {job.step} (fingerprint {record.code}, now {job.code})"
        )
        yield Finding(result, problem, f"restore the code, or {AGAIN}")


def _read(path: Path) -> JobRecord | UserError | None:
    if not path.exists():
        return None
    try:
        record = job_record.read(path)
    except UserError as error:
        return error
    return replace(
        record,
        inputs={plain_path(name): digest for name, digest in record.inputs.items()},
        outputs={plain_path(name): output for name, output in record.outputs.items()},
    )


def _hash_files(paths: Iterable[str], threads: int) -> dict[str, str]:
    """SHA-256 of those of the files that exist, each read once, `threads` of them at a time."""
    found = sorted({path for path in paths if os.path.isfile(path)})
    with (
        Progress("hash the files", len(found), "file") as progress,
        ThreadPoolExecutor(threads) as pool,
    ):
        hashes = {}
        for path, sha256 in zip(found, pool.map(sha256_file, found), strict=True):
            hashes[path] = sha256
            progress.update()
    return hashes


def _short(digest: str) -> str:
    """A digest as messages show it: 16 hexadecimal digits tell files apart."""
    return digest.removeprefix(provenance.CONTENT)[:16] + "…"


def failure(found: Verification) -> str:
    """The first finding, and where the others are."""
    first = found.findings[0]
    others = [path for path in dict.fromkeys(f.path for f in found.findings) if path != first.path]
    if not others:
        return str(first)
    more = "1 more result does" if len(others) == 1 else f"{len(others)} more results do"
    return f"{first} ({more} not match either: {_listed(others)}.)"


def summary(found: Verification, pending: Sequence[str] = ()) -> str:
    """What was checked, where every link matches; `pending` are the jobs that are to run yet."""
    lines = [
        f"{_count(found.results, 'result')} verified. Each is what its job wrote, with "
        "today's settings and code, and what it was computed from has not changed since "
        f"({_count(found.links, 'link')} compared, {_count(found.files, 'file')} of "
        f"{_size(found.size)} hashed)."
    ]
    if found.missing:
        lines.append(
            f"Not there, so not verified: {_count(len(found.missing), 'result')} "
            f"({_listed(found.missing)})."
        )
    if pending:
        lines.append(f"snakemake would run {_count(len(pending), 'job')} yet ({_listed(pending)}).")
    if found.gone:
        lines.append(
            f"Not there any more, so not compared: {_count(len(found.gone), 'input')} from outside "
            f"of the study ({_listed(found.gone)})."
        )
    return "\n".join(lines)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - LISTED
    return ", ".join(paths[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
