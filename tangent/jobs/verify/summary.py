"""What a verification found, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tangent.jobs.verify.verification import Verification

LISTED = 3


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
