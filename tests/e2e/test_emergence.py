"""A curve over two checkpoints, through Snakemake; its numbers are tests/unit/results' to check."""

import csv

import yaml
from small_study import MODEL, ship_checkpoint

LATER = "tiny-later"
STEPS = {LATER: 40, MODEL: 0}


def test_a_curve_has_a_point_per_checkpoint(study):
    sha256 = ship_checkpoint(study.folder / "shipped-later", seed=1)
    config = yaml.safe_load((study.folder / "config.yaml").read_text(encoding="utf-8"))
    config |= {"models": [MODEL, LATER], "modes": ["standard"], "emergence": {"steps": STEPS}}
    first = config["pretrained"][MODEL]
    config["pretrained"][LATER] = first | {"folder": "shipped-later", "sha256": sha256}
    config["combinations"]["models"] = []
    for section in ("disentanglement", "eigenfunctions"):
        config[section]["models"] = config["models"]
    study.write("config.yaml", config)
    results = study.folder / "results" / "tiny"
    assert not (results / "tables" / "emergence.csv").exists()  # the study listed no checkpoints
    study.snakemake("results/tiny/figures/emergence.svg")
    with open(results / "tables" / "emergence.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"]: int(row["step"]) for row in rows} == STEPS and len(rows) == 2
    numbers = [name for name in rows[0] if name not in ("model", "mode", "seed", "step")]
    assert all(float(row[name]) >= 0 for row in rows for name in numbers)
    assert rows[0]["localization"] != rows[1]["localization"]
    figure = (results / "figures" / "emergence.svg").read_text(encoding="utf-8")
    assert "weight disentanglement" in figure and "random" in figure
