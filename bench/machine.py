"""What the tables were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from bench.subjects import Setting


def description(setting: Setting) -> str:
    """A paragraph in Markdown: processor, device, versions, load, commit, date."""
    import torch

    from tangent.jobs import provenance

    block = provenance.record([], {}, "")
    versions = block["versions"]
    facts = [
        f"{_processor()}, {os.cpu_count()} cores, {setting.threads} threads",
        *([torch.cuda.get_device_name()] if setting.device == "cuda" else []),
        f"Python {versions['python']}, torch {versions['torch']}",
        f"load {os.getloadavg()[0]:.1f} at the start",
        f"commit {(block['commit'] or 'unknown')[:10]}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    ]
    return f"Measured on {setting.device}: {'; '.join(facts)}."


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
