"""Eigenfunction energies and proposition 1 through the scripts, against explicit Jacobians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import functional_call

from tangent.jobs.errors import UserError

IMAGES, COMPONENTS, LOGITS = 12, 4, 2


def gradients(study, head: np.ndarray, logit: int, task: str, split: str, rows) -> np.ndarray:
    """∇_θ f_c(x; θ0) [images, weights] in float64, one backward pass per image."""
    weights = {name: value.double().requires_grad_() for name, value in study.theta0.items()}
    row = torch.from_numpy(head[logit]).double()
    buffers = {name: value.double() for name, value in study.model.named_buffers()}
    found = []
    for image in study.images(task, split)[rows].double():
        features = functional_call(study.model, weights | buffers, (image[None],))[0]
        value = features @ row / features.norm()
        of_image = torch.autograd.grad(value, list(weights.values()), allow_unused=True)
        found.append(
            torch.cat(
                [
                    torch.zeros(w.numel()).double() if g is None else g.flatten()
                    for g, w in zip(of_image, weights.values(), strict=True)
                ]
            )
        )
    return torch.stack(found).numpy()


def eigenfunctions(study, output: Path, *flags: object) -> None:
    study.script(
        *("eigenfunctions", "--model", "tiny", "--seed", 3, *study.encoder_flags()),
        *("--heads-dir", study.root / "heads", "--datasets-dir", study.root / "datasets"),
        *("--task", "green", "--control-tasks", "red", "grey", "--images", IMAGES),
        *("--components", COMPONENTS, "--logits", LOGITS, "--device", "cpu", "--threads", 1),
        *("--output-dir", output, *flags),
    )


def test_energies_equal_those_of_an_explicit_kernel(study, tmp_path):
    eigenfunctions(study, tmp_path)
    table = study.csv(str(tmp_path / "energies.csv"))
    spectrum = study.csv(str(tmp_path / "spectrum.csv"))
    result = study.json(str(tmp_path / "eigenfunctions.json"))
    head = study.head("green")
    train = np.random.RandomState(3).permutation(24)[:IMAGES]
    test = np.random.RandomState(3).permutation(50)[:IMAGES]
    assert result["logits"] == np.random.RandomState(3).permutation(4)[:LOGITS].tolist()
    assert len(table) == LOGITS * 4 * IMAGES
    for logit in result["logits"]:
        sample = gradients(study, head, logit, "green", "train", train)
        values, vectors = np.linalg.eigh(sample @ sample.T / IMAGES)
        values, vectors = values[::-1], vectors[:, ::-1][:, :COMPONENTS]
        stored = [float(row["eigenvalue"]) for row in spectrum if row["logit"] == str(logit)]
        np.testing.assert_allclose(stored, values, rtol=1e-3, atol=1e-5 * values[0])
        assert [row["component"] for row in spectrum][:3] == ["1", "2", "3"]
        samples = [("green", "train", "sample", train)]
        samples += [(task, "test", "test", test) for task in ("green", "red", "grey")]
        for task, split, name, rows in samples:
            cross = gradients(study, head, logit, task, split, rows) @ sample.T
            phi = np.sqrt(IMAGES) / values[:COMPONENTS] / IMAGES * (cross @ vectors)
            mine = [
                row
                for row in table
                if (row["dataset"], row["split"], row["logit"]) == (task, name, str(logit))
            ]
            assert [int(row["image"]) for row in mine] == rows.tolist()
            energies = [float(row["energy"]) for row in mine]
            np.testing.assert_allclose(energies, np.square(phi).sum(1), rtol=2e-3, atol=1e-3)


def test_means_are_those_of_the_table_and_k_on_the_sample_itself(study, tmp_path):
    eigenfunctions(study, tmp_path)
    table = study.csv(str(tmp_path / "energies.csv"))
    means = study.json(str(tmp_path / "eigenfunctions.json"))["means"]
    assert [(mean["dataset"], mean["split"]) for mean in means] == [
        ("green", "sample"),
        ("green", "test"),
        ("red", "test"),
        ("grey", "test"),
    ]
    for mean in means:
        energies = [
            float(row["energy"])
            for row in table
            if (row["dataset"], row["split"]) == (mean["dataset"], mean["split"])
        ]
        assert mean["energy"] == pytest.approx(np.mean(energies))
    assert means[0]["energy"] == pytest.approx(COMPONENTS, rel=1e-3)


@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_one_kernel_of_all_logits(study, tmp_path, method):
    """Energies of vector-valued eigenfunctions; little memory makes it the matrix-free method."""
    memory = ("--memory", 1) if method == "matrix-free" else ()
    eigenfunctions(study, tmp_path, "--logits", "all", *memory)
    table = study.csv(str(tmp_path / "energies.csv"))
    spectrum = study.csv(str(tmp_path / "spectrum.csv"))
    result = study.json(str(tmp_path / "eigenfunctions.json"))
    assert (result["logits"], result["method"]) == ("all", method)
    if method == "matrix-free":
        assert 2 * COMPONENTS < result["products"] < 100 and 0 < result["residual"] < 1e-3
    head, classes = study.head("green"), 4
    train = np.random.RandomState(3).permutation(24)[:IMAGES]
    test = np.random.RandomState(3).permutation(50)[:IMAGES]

    def rows_of(task, split, rows):
        """A row for each image and logit."""
        of_logits = [gradients(study, head, c, task, split, rows) for c in range(classes)]
        return np.stack(of_logits, axis=1).reshape(classes * len(rows), -1)

    sample = rows_of("green", "train", train)
    values, vectors = np.linalg.eigh(sample @ sample.T / IMAGES)
    values, vectors = values[::-1], vectors[:, ::-1][:, :COMPONENTS]
    assert {row["logit"] for row in [*spectrum, *table]} == {"all"}
    stored = [float(row["eigenvalue"]) for row in spectrum]
    known = COMPONENTS if method == "matrix-free" else classes * IMAGES
    np.testing.assert_allclose(stored, values[:known], rtol=1e-3, atol=1e-5 * values[0])
    samples = [("green", "train", "sample", train)]
    samples += [(task, "test", "test", test) for task in ("green", "red", "grey")]
    assert len(table) == len(samples) * IMAGES
    for task, split, name, rows in samples:
        cross = rows_of(task, split, rows) @ sample.T
        phi = np.sqrt(IMAGES) / values[:COMPONENTS] / IMAGES * (cross @ vectors)
        expected = np.square(phi).reshape(IMAGES, -1).sum(1)
        mine = [row for row in table if (row["dataset"], row["split"]) == (task, name)]
        assert [int(row["image"]) for row in mine] == rows.tolist()
        energies = [float(row["energy"]) for row in mine]
        np.testing.assert_allclose(energies, expected, rtol=2e-3, atol=1e-3)


def test_a_kernel_of_one_logit_is_the_same_without_a_matrix(study, tmp_path, monkeypatch):
    eigenfunctions(study, tmp_path / "dense")
    monkeypatch.setattr("tangent.kernels.kernel_cost.kernel_method", lambda *_: "matrix-free")
    eigenfunctions(study, tmp_path / "products")
    dense, products = (
        study.csv(str(tmp_path / name / "energies.csv")) for name in ("dense", "products")
    )
    for first, second in zip(dense, products, strict=True):
        assert float(second.pop("energy")) == pytest.approx(float(first.pop("energy")), rel=5e-3)
        assert first == second
    results = [
        study.json(str(tmp_path / name / "eigenfunctions.json")) for name in ("dense", "products")
    ]
    assert [result["method"] for result in results] == ["dense", "matrix-free"]
    assert len(study.csv(str(tmp_path / "products" / "spectrum.csv"))) == LOGITS * COMPONENTS


@pytest.mark.parametrize("logits", ["0", "some", "-1"])
def test_a_number_of_logits_is_counted_from_one(study, tmp_path, logits):
    with pytest.raises(UserError, match=f"--logits is '{logits}': give a number"):
        eigenfunctions(study, tmp_path, f"--logits={logits}")


def test_too_many_components_and_a_wrong_head_are_refused(study, tmp_path):
    with pytest.raises(UserError, match="13 eigenfunctions"):
        eigenfunctions(study, tmp_path, "--components", 13)
    with pytest.raises(UserError, match="violet.head.safetensors does not exist"):
        eigenfunctions(study, tmp_path, "--task", "violet")


def test_proposition1_uses_the_kernel_of_one_logit_on_all_tasks(study, tmp_path):
    from tangent.kernels.coupling import check_proposition1

    study.script(
        *("proposition1", "--model", "tiny", "--seed", 1, *study.encoder_flags()),
        *("--heads-dir", study.root / "heads", "--datasets-dir", study.root / "datasets"),
        *(
            "--tasks",
            "red",
            "green",
            "--images",
            IMAGES,
            "--components",
            COMPONENTS,
            "--device",
            "cpu",
            "--threads",
            1,
        ),
        *("--output-dir", tmp_path),
    )
    table = study.csv(str(tmp_path / "interference.csv"))
    result = study.json(str(tmp_path / "proposition1.json"))
    assert [float(row["coupling"]) for row in table] == [round(c / 10, 1) for c in range(11)]
    classes = [("red", 0), ("red", 1), ("red", 2)] + [("green", c) for c in range(4)]
    logit = int(np.random.RandomState(1).permutation(7)[0])
    assert result["logit"] == {"task": classes[logit][0], "class": classes[logit][1]}
    rows = np.random.RandomState(1).permutation(24)[:IMAGES]
    head = np.concatenate([study.head("red"), study.head("green")])
    both = np.concatenate(
        [gradients(study, head, logit, task, "train", rows) for task in ("red", "green")]
    )
    targets = np.concatenate([study.labels(task, "train")[rows] % 2 for task in ("red", "green")])
    couplings = [float(row["coupling"]) for row in table]
    membership = np.repeat([0, 1], IMAGES)
    expected = check_proposition1(both @ both.T, membership, targets, couplings, COMPONENTS)
    for row, point in zip(table, expected, strict=True):
        assert float(row["localization"]) == pytest.approx(point.localization, rel=1e-3)
        assert float(row["interference"]) == pytest.approx(point.interference, rel=1e-2, abs=1e-6)
    functions = study.csv(str(tmp_path / "functions.csv"))
    images = [(task, int(row)) for task in ("red", "green") for row in rows]
    assert [(row["task"], int(row["image"])) for row in functions] == images
    for column in ("own", "others"):
        found = [float(row[column]) for row in functions]
        of_kernel = getattr(expected[-1], column)
        np.testing.assert_allclose(found, of_kernel, atol=0.01 * np.abs(of_kernel).max())
    assert float(table[0]["localization"]) == pytest.approx(1)
    assert float(table[0]["interference"]) == pytest.approx(0)


def test_proposition1_needs_two_tasks(study, tmp_path):
    with pytest.raises(UserError, match="at least two different"):
        study.script(
            *("proposition1", "--model", "tiny", "--seed", 1, *study.encoder_flags()),
            *("--heads-dir", study.root / "heads", "--datasets-dir", study.root / "datasets"),
            *(
                "--tasks",
                "red",
                "red",
                "--images",
                IMAGES,
                "--components",
                2,
                "--output-dir",
                tmp_path,
            ),
        )
