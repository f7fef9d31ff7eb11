"""Files that were cut short: the step that reads one names it, and the remedy works literally."""

from __future__ import annotations

import re

from kills import differences

TINY = "results/tiny"
# The damaged file, and what is made of it.
DAMAGED = {
    "resources/datasets/32px/counting/test.safetensors": (
        f"{TINY}/features/tiny/initial/counting/seed3/test.safetensors"
    ),
    f"{TINY}/finetuned/tiny/linear/shapes/seed3/encoder.safetensors": (
        f"{TINY}/task_vectors/tiny/linear/shapes/seed3/task_vector.safetensors"
    ),
    f"{TINY}/products/tiny-random/linear/shapes/seed3/test.safetensors": (
        f"{TINY}/single_task/tiny-random/linear/shapes/seed3/accuracy.json"
    ),
}


def test_cut_files_are_named_and_made_again(study, finished):
    for name in DAMAGED:
        path = study.folder / name
        path.write_bytes(path.read_bytes()[:-20])
    output = study.snakemake("--keep-going", *DAMAGED.values(), fails=True)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    named = [re.match(r"error: (\S+) is not .*: delete it and run the step", line)[1]
             for line in errors]  # fmt: skip
    assert sorted(named) == sorted(DAMAGED), output
    assert "Traceback" not in output

    for name in named:
        (study.folder / name).unlink()
    study.snakemake(*DAMAGED.values())
    for name in (*DAMAGED, *DAMAGED.values()):
        folder = (study.folder / name).parent
        assert differences(folder, finished.folder / folder.relative_to(study.folder)) == []
