"""Records of the jobs of a made-up study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tangent.jobs import files
from tangent.report.build import read_configuration
from tangent.results.columns import TABLES, raw_results, tables_of

PROVENANCE = {
    "inputs": {"resources/pretrained/demo-vit/encoder.safetensors": "ab" * 32},
    "settings": {}, "code": "0123abcd", "commit": "c0ffee" * 6 + "c0ff",
    "versions": {"python": "3.11.2", "torch": "2.12.1"}, "device": "cpu: x86_64",
}  # fmt: skip


def write_record(
    logs: Path, name: str | Path, inputs: Iterable[Any], outputs: Iterable[Any], **about: Any
) -> None:
    """What a job leaves of itself."""
    block = PROVENANCE | {"inputs": PROVENANCE["inputs"] | dict.fromkeys(map(str, inputs), "0")}
    written = {str(path): {"sha256": "0"} for path in outputs}
    content = {"step": "made_up", "outputs": written, "provenance": block | about}
    content["finished"] = 1e9
    files.write_json(logs / f"{name}.json", content)


def write_records(folder: Path) -> None:
    """Of all jobs that made the raw results, of fine-tunings before and of tables after them."""
    logs, config = folder / "logs", read_configuration(folder / "config.yaml")
    results = [path.parent for path in folder.rglob("*.*") if path.parent.name.startswith("seed")]
    for place in dict.fromkeys(results):
        name = place.relative_to(folder)
        encoder = folder / "finetuned" / "/".join(name.parts[1:]) / "encoder.safetensors"
        used = [encoder] if name.parts[0] == "single_task" else []
        write_record(logs, name, used, [path for path in place.iterdir() if path.is_file()])
        if used:
            write_record(logs, encoder.parent.relative_to(folder), [], used)
    for name in tables_of(config):
        read = [folder / path for path in raw_results(config, name)]
        read += [folder / "tables" / f"{table}.csv" for table in TABLES[name].tables]
        write_record(logs, f"tables/{name}", read, [folder / "tables" / f"{name}.csv"])
