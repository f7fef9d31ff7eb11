"""The performance harness: ratios of paired samples, the page's tables, and that each part runs."""

import copy
import csv
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from families import make, random_direction
from snakemake.utils import update_config
from workspace import ROOT

from bench import __main__ as command
from bench import baselines, compilation, gpu, harness, paper_counts, planning
from bench import study as whole_study
from bench.subjects import Setting, Subject
from bench.tables import COLUMNS, Line, Table, lines_table, markdown, replaced, write
from scripts import cli, measure_throughput
from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.config.load import load_config
from tangent.jobs.errors import UserError
from tangent.kernels.gram import classifier, ntk_gram
from tangent.models.heads.zero_shot import ZeroShotHead


def test_a_ratio_is_taken_within_a_turn(rng):
    # Each turn of the machine is slower or faster by up to ten times; the ratio is not.
    slowness = 10 ** rng.uniform(-1, 1, 40)
    ratios = rng.uniform(1, 2, 40)
    found = harness.Ratio.of(list(ratios * slowness), list(slowness))
    ordered = np.sort(ratios)
    assert found.median == pytest.approx((ordered[19] + ordered[20]) / 2)
    assert ordered[3] <= found.low <= ordered[4] and ordered[35] <= found.high <= ordered[36]
    assert found.repetitions == 40
    with pytest.raises(ValueError):
        harness.Ratio.of([1.0, 2.0], [1.0])


def test_candidates_run_in_turn():
    ran = []
    runs = {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}

    def seconds_of(run):
        run()
        return float(len(ran))

    times = harness.alternate(runs, seconds_of, budget=60.0, repetitions=(1, 3), warm_up=2)
    assert "".join(ran) == "aabb" + "ab" * 3
    assert times == {"a": [5.0, 7.0, 9.0], "b": [6.0, 8.0, 10.0]}
    ran.clear()
    harness.alternate(runs, seconds_of, budget=0.0, repetitions=(2, 9), warm_up=0)
    assert "".join(ran) == "abab"


def test_time_of_a_cpu_is_what_it_computed_and_not_what_it_waited():
    clock = harness.Clock("cpu", threads=1)
    assert clock.seconds(lambda: time.sleep(0.2)) < 0.1

    def busy():
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    assert 0.04 < clock.seconds(busy) < 0.2
    assert harness.Clock("cpu", threads=2).seconds(busy) < 0.1


def test_peak_memory_is_that_of_the_tensors():
    held = torch.zeros(1000)

    def run():
        first = torch.ones(5000)
        del first
        second = torch.ones(2000) + torch.ones(2000)  # three at once
        return second.sum()

    peak = harness.peak_memory(run, "cpu", [held, held.view(10, 100)])
    assert peak == pytest.approx(4 * (1000 + 6000), rel=0.02)


def test_tables_are_markdown_and_csv(tmp_path):
    ratio = harness.Ratio.of([2.0, 2.2, 2.4], [2.0, 2.0, 2.0])
    lines = [Line("ours", "theirs", ratio, "s", 1.7), Line("it", "it", ratio, "s", 1.0)]
    lines.append(Line("other", "theirs", ratio, "MB"))
    assert [line.is_met for line in lines] == [True, False, None]
    made = lines_table("steps", "Steps", lines, ["A note."])
    rows = [line for line in markdown(made).splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1 and len(rows) == 2 + 3
    assert "A note." in markdown(made) and "| 1.1 |" in rows[2]
    page = tmp_path / "performance.md"
    page.write_text("<!-- bench cpu steps -->\n<!-- /bench cpu steps -->\n")
    write([made], "head", "cpu steps", page, tmp_path / "performance")
    with open(tmp_path / "performance" / "cpu-steps.csv", newline="") as file:
        content = list(csv.reader(file))
    assert tuple(content[0]) == COLUMNS and len(content) == 4
    assert float(content[1][COLUMNS.index("ratio")]) == ratio.median == pytest.approx(1.1)


def test_only_a_parts_own_tables_are_replaced(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))
    before = page.read_text()
    table = Table("x", "X", ("a",), [(1,)], ())
    write([table], "first", "cpu growth", page, tmp_path)
    write([table], "again", "cpu growth", page, tmp_path)
    text = page.read_text()
    first, last = "<!-- bench cpu growth -->", "<!-- /bench cpu growth -->"
    assert text.partition(first)[0] == before.partition(first)[0]
    assert text.partition(last)[2] == before.partition(last)[2]
    inside = text.partition(first)[2].partition(last)[0]
    assert inside.split() == f"again {markdown(table)}".split()
    for wrong in ("cpu nothing", "cpu growth -->"):
        with pytest.raises(UserError, match="must hold the lines"):
            replaced(page, wrong, "")
    page.write_text(text + first)
    with pytest.raises(UserError, match="once"):
        replaced(page, "cpu growth", "")


def test_the_page_has_a_place_for_every_part():
    page = ROOT / "docs" / "performance.md"
    for device, sections in {"cpu": command.SECTIONS, "cuda": gpu.SECTIONS}.items():
        for part in sections:
            assert part in replaced(page, f"{device} {part}", "")


def in_this_process(setting, kind, cache):
    folder = setting.subject.folder
    return compilation.first_step(
        compilation.Arguments(kind=kind, folder=folder, device="cpu", threads=1, quick="yes")
    )


def test_every_part_runs_and_writes_nothing_when_quick(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    # Compiling, which tests of its own try, would take as long as all other tests here.
    monkeypatch.setattr("tangent.training.forward_backward.compile_for", lambda model, _: model)
    monkeypatch.setattr(compilation, "first_step_apart", in_this_process)
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    arguments = {"threads": 1, "quick": "yes", "folder": tmp_path}
    command.run(command.Arguments(**arguments))
    printed = capsys.readouterr().out
    for title in ("Linear fine-tuning step", "Compiling", "Evaluating linearized models"):
        assert f"### {title}" in printed
    for title in (
        "standard mode at many α",
        "Eigenfunctions of tangent kernels",
        "Input beside",
        "Growth",
        "Dry run",
    ):
        assert title in printed
    assert not re.search(r"\bnan\b", printed)
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page
    with pytest.raises(UserError, match="the parts are paper_counts"):
        command.run(command.Arguments(**arguments, only=["steps"]))


def test_baselines_compute_what_ours_compute(seed):
    model, images = make("vision transformer")
    tau = random_direction(model)
    theta0 = parameters_of(model)
    value, product = jvp_features(model, theta0, tau, images)
    alphas = [0.0, 0.3, 1.0]
    found = baselines.re_evaluated_sweep(model, tau, lambda: [images[:2], images[2:]], alphas)
    for alpha, features in zip(alphas, found, strict=True):
        torch.testing.assert_close(features, value + alpha * product, rtol=1e-10, atol=1e-10)

    head = torch.randn(2, value.shape[1], dtype=torch.float64)
    f = classifier(model, ZeroShotHead(head.numpy()).on("cpu"))
    dense = baselines.dense_kernel(f, theta0, images, chunk=2).view(3, 2, 3, 2)
    ours = ntk_gram(f, theta0, images, logits=[0, 1])
    of_logits = torch.stack([dense[:, c, :, c] for c in (0, 1)])
    torch.testing.assert_close(of_logits, ours, rtol=1e-10, atol=1e-10)


def test_the_eager_reference_has_our_gradients(seed):
    model, images = make("vision transformer")
    step = random_direction(model)
    ours, reference = linearize(model), baselines.EagerLinearizedModel(copy.deepcopy(model))
    with torch.no_grad():
        moved = {name: value + step[name] for name, value in model.named_parameters()}
        ours.load_parameters(moved)
        for value, (_, target) in zip(reference.theta, moved.items(), strict=True):
            value.copy_(target)
    for module in (ours, reference):
        module(images).square().sum().backward()
    gradients = dict(ours.model.named_parameters())
    for value, name in zip(reference.theta, moved, strict=True):
        torch.testing.assert_close(value.grad, gradients[name].grad, rtol=1e-9, atol=1e-9)


def test_counts_at_the_papers_sizes(monkeypatch):
    monkeypatch.chdir(ROOT)
    table = paper_counts.run(Setting("cpu", 1, ROOT))[0]
    rows = {row[0]: row[1:] for row in table.rows}
    # By hand: the 8 tasks of configs/paper.yaml, of which a tenth (at most 5,000; EuroSAT has 2,700
    # of its own) is held out, and ImageNet with 5,000 and 50,000.
    tests = 8041 + 1880 + 2700 + 12630 + 10000 + 6300 + 19850 + 26032
    validations = 814 + 376 + 2700 + 2664 + 5000 + 1890 + 1985 + 5000
    assert rows["f(x; θ0) of every image, once"][0] == tests + validations + 55000
    assert rows["single task"][:2] == (4 * (tests + validations), 6 * (tests + validations))
    assert rows["addition"][1] == 6 * (21 * validations + tests)
    assert rows["negation"][1] == 6 * (21 * (validations + 8 * 5000) + tests + 8 * 50000)
    pairs = 2 * 2048 + (1880 + 2048) + 2 * 2048
    assert rows["heat maps"][:2] == (4 * pairs, 6 * 25**2 * pairs)
    minimum, baseline, ratio = rows["all"]
    assert 20 < ratio == baseline / minimum < 22
    assert minimum <= rows["ours, as the workflow's jobs do it"][0] < baseline


def test_the_counted_study_is_the_one_that_snakemake_reads(monkeypatch):
    monkeypatch.chdir(ROOT)
    merged = {}
    for name in ("config.yaml", "configs/paper.yaml", "configs/paper-vit-b-32.yaml"):
        update_config(merged, yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))
    assert paper_counts.study(paper_counts.STUDY) == load_config(merged)


def test_a_planned_study_has_its_size():
    content = planning.study(tasks=7, models=2, seeds=3)
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    # Tasks that have no file of classes are a problem only where they are missing.
    assert len(content["datasets"]) == 8 and len(content["pretrained"]) == 2
    update_config(merged, content)
    assert merged["seeds"] == [0, 1, 2] and len(content["disentanglement"]["pairs"]) == 3


@pytest.mark.parametrize("images", [None, 8])
def test_the_whole_study_is_the_papers(tmp_path, monkeypatch, images):
    monkeypatch.chdir(ROOT)
    arguments = whole_study.Arguments(images=images, steps=2, folder=tmp_path)
    content = whole_study.overlay(arguments)
    config_file = tmp_path / "study.yaml"
    config_file.write_text(yaml.safe_dump(content))
    config = paper_counts.study(str(config_file))
    paper = paper_counts.study("configs/paper-vit-b-32.yaml")
    assert config.tasks == paper.tasks and config.alphas == paper.alphas
    assert config.disentanglement.pairs == paper.disentanglement.pairs
    assert config.all_models == ["ViT-B-32-bench"]
    for task in (*config.tasks, config.control):
        true, mine = (paper_counts.sizes_of(c, task) for c in (paper, config))
        if images is not None:
            assert (mine.train, mine.validation, mine.test) in ((8, 8, 8), (16, 8, 8))
        elif task == config.control:
            assert (mine.validation, mine.test) == (true.validation, true.test)
        else:
            assert mine == true


def test_seconds_by_stage_come_from_the_benchmark_files(tmp_path):
    for path, seconds in {
        "finetuned/m/linear/cars/seed0": 20.5,
        "finetuned/m/linear/dtd/seed0": 10.0,
        "features/m/initial/seed0": 4.0,
        "datasets/224px/cars": 99.0,
        "sources/cars": 99.0,
        "config": 0.5,
    }.items():
        file = tmp_path / f"{path}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t-\n")
    stages = whole_study.stage_seconds(tmp_path)
    assert stages == {"config": (1, 0.5), "features": (1, 4.0), "finetuned": (2, 30.5)}
    content = {"study": "s", "datasets": {"cars": {"train_images": 5}}}
    rows = whole_study.table(content, stages, 12.0).rows
    assert rows[0] == ("finetuned", 2, 30.5, 15.25)
    assert rows[-2:] == [("all, one after the other", 4, 35.0, None), ("the run", None, 12.0, None)]


def test_the_gpu_script_knows_its_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = gpu.Arguments(output=tmp_path, images=8, steps=2, device="cpu", folder=tmp_path)
    monkeypatch.setattr(Subject, "of_source", lambda setting, name, _: Subject(name, ROOT, setting))
    modules = {"bench": command, "throughput": measure_throughput, "study": whole_study}
    parsed = {}
    for part, module in modules.items():
        lines = [line for _, line in gpu.commands(part, arguments)]
        assert all(line[:2] == [sys.executable, "-m"] for line in lines)
        assert {line[2] for line in lines} <= {module.__name__.removesuffix(".__main__")}
        parsed[part] = [cli.parse(module.Arguments, line[3:]) for line in lines]
    (study,) = parsed["study"]
    assert (study.images, study.steps, study.device) == (8, 2, "cpu")
    assert {(e.model, e.autocast, len(e.kinds)) for e in parsed["throughput"]} == {
        (model, *kinds) for model in gpu.MODELS for kinds in (("none", 5), ("bfloat16", 2))
    }
    assert {e.output for e in parsed["bench"]} == {tmp_path}
    assert [e.only for e in parsed["bench"]] == [[name] for name in gpu.SECTIONS]
    assert set(gpu.SECTIONS) == set(command.SECTIONS) - {"paper_counts", "planning"}
    assert (tmp_path / "performance.md").exists()
    with pytest.raises(UserError, match="the parts are bench, throughput"):
        gpu.commands("everything", arguments)


def test_the_library_does_not_know_the_bench():
    found = subprocess.run(
        ["grep", "-rnE", r"^\s*(from|import) bench", "tangent", "scripts"], cwd=ROOT, text=True,
        capture_output=True,
    )  # fmt: skip
    assert found.returncode == 1, found.stdout
