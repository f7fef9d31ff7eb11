"""Products that are stopped and started again have the bits of those that were left alone."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import stopped_jobs
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tangent.evaluation import product_passes
from tangent.evaluation.features import StoredExamples
from tangent.evaluation.products import dataset_products
from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import Interrupted
from tangent.models.families import preprocess_config

WANTED = {"validation": ["sum", "red"], "test": ["sum", "red", "blue", "green"]}
COPIES = 4  # of each test image: a second of passes


@pytest.fixture(scope="module")
def datasets(study, tmp_path_factory):
    """The data set `green` with many test images."""
    folder = tmp_path_factory.mktemp("datasets")
    for split, copies in (("validation", 1), ("test", COPIES)):
        source = study.root / "datasets" / "green" / f"{split}.safetensors"
        with safe_open(source, "np") as file:
            metadata = file.metadata() | {"content_sha256": f"{copies} of {split}"}
        arrays = {name: np.concatenate([v] * copies) for name, v in load_file(source).items()}
        (folder / "green").mkdir(exist_ok=True)
        save_file(arrays, folder / "green" / f"{split}.safetensors", metadata)
    return folder


def flags(study, datasets, folder, **vectors):
    """Of the script, which writes into `folder`; other files of `vectors` by name."""
    files = {name: vectors.get(name, name) for name in ("sum", *study.tasks)}
    return [
        *study.encoder_flags(),
        *("--datasets-dir", datasets, "--dataset", "green", "--output-dir", folder),
        *("--batch-size", 2, "--threads", 1, "--device", "cpu", "--seconds-between-states", 0),
        *("--task-vectors", *(f"{name}={study.vector_file(of)}" for name, of in files.items())),
        *("--validation", *WANTED["validation"], "--test", *WANTED["test"]),
    ]


def killed(argv, state):
    """What the script says that is told to stop some time after its first state was saved."""
    process = stopped_jobs.start("jacobian_products", argv)
    stopped_jobs.wait_for_a_state(process, state, at_most=0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM, said
    return said


def same(one, other):
    """Whether two folders have the same products."""
    return all(
        a[name].tobytes() == b[name].tobytes() and a.keys() == b.keys() == set(wanted)
        for split, wanted in WANTED.items()
        for a, b in [[load_file(folder / f"{split}.safetensors") for folder in (one, other)]]
        for name in wanted
    )


def test_killed_and_resumed_equal_uninterrupted(study, datasets, tmp_path, messages):
    stopped, whole, exchanged = (tmp_path / name for name in ("stopped", "whole", "exchanged"))
    state = stopped / "state.pt"

    said = killed(flags(study, datasets, stopped), state)
    assert "stopped by SIGTERM after image " in said and "; state saved" in said
    assert [path.name for path in stopped.iterdir()] == ["state.pt"]
    exchanged.mkdir()
    (exchanged / "state.pt").write_bytes(state.read_bytes())

    study.script("jacobian_products", *flags(study, datasets, stopped))
    assert [text.startswith("resumed after image ") for text in messages].count(True) == 1
    study.script("jacobian_products", *flags(study, datasets, whole))
    assert same(stopped, whole) and not state.exists()

    # The same files under other names: the state is of other products.
    messages.clear()
    others = {"red": "blue", "blue": "red"}
    study.script("jacobian_products", *flags(study, datasets, exchanged, **others))
    assert not any(text.startswith("resumed") for text in messages)
    assert [text.endswith("starting afresh") for text in messages].count(True) == 1
    ours, theirs = (load_file(folder / "test.safetensors") for folder in (exchanged, whole))
    for name in WANTED["test"]:
        expected = theirs[others.get(name, name)]
        np.testing.assert_allclose(ours[name], expected, atol=1e-5 * np.abs(expected).max())


def test_a_stop_in_any_pass_changes_no_bit(study, tmp_path, monkeypatch):
    """Two task vectors fit into a pass, so there are three: of sum and red on both splits first."""
    size = sum(value.nbytes for value in study.theta0.values())
    monkeypatch.setitem(product_passes.DIRECTION_BYTES, "cpu", 2 * size)
    load = StoredExamples(study.root / "datasets", preprocess_config(study.root / "pretrained"))
    files = {name: study.vector_file(name) for name in (*study.tasks, "sum")}
    passes = []

    def products(stop_at=None):
        passes.clear()

        def count(*_):
            passes.append(1)
            if len(passes) == stop_at:
                signal.raise_signal(signal.SIGTERM)

        checkpoint = Checkpoint(tmp_path / "state.pt", "of this test", seconds=1e9)
        hook = study.model.register_forward_pre_hook(count)
        try:
            return dataset_products(
                study.model, files, WANTED, load, "green", 16, checkpoint=checkpoint
            )
        finally:
            hook.remove()

    whole = products()
    batches = len(passes)
    assert batches == 3 + 4 + 4  # of 40, 50 and 50 images
    for stop_at in range(1, batches + 1):
        with pytest.raises(Interrupted, match=r"SIGTERM after image \d+ of (40|50); state saved"):
            products(stop_at)
        found = products()
        assert len(passes) == batches - stop_at, "what was saved is computed again"
        for split, wanted in WANTED.items():
            assert list(found[split]) == wanted
            for name, product in found[split].items():
                assert product.tobytes() == whole[split][name].tobytes()
        (tmp_path / "state.pt").unlink()
