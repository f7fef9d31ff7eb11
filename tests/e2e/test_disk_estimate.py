"""The estimated sizes against the files of a finished study."""

from small_study import CONTROL, MODEL

from tangent.config.cost import disk
from tangent.config.cost.model_sizes import architecture_of
from tangent.config.load import load_config

HEADER = 6000
"""Bytes of a safetensors file beside its tensors, at most: names, shapes, provenance."""


def test_results_and_resources_are_as_large_as_estimated(finished, monkeypatch):
    import yaml

    monkeypatch.chdir(finished.folder)
    config = load_config(yaml.safe_load((finished.folder / "config.yaml").read_text()))
    architecture = architecture_of(config.pretrained[MODEL].model_dump(), MODEL)
    results = disk.results(config, {MODEL: architecture})
    for stage in ("heads", "finetuned", "task_vectors", "features", "products"):
        check(finished.folder / "results" / "tiny" / stage, results[stage])
    resources = disk.resources(config, {MODEL: architecture})
    check(finished.folder / "resources" / "pretrained", resources["pretrained"])
    splits = finished.folder / "resources" / "datasets"
    # Labels and digests are small beside images, but not beside a test's.
    check(splits, resources["datasets"], extra=0.05, without=f"{CONTROL}/train.safetensors")


def check(folder, estimated, extra=0.0, without="nothing"):
    files = [path for path in folder.rglob("*.safetensors") if not str(path).endswith(without)]
    found = sum(path.stat().st_size for path in files)
    assert estimated <= found <= (1 + extra) * estimated + len(files) * HEADER, folder
