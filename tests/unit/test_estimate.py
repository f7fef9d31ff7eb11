"""The estimate's numbers: times, limits, downloads and the table."""

import re

import pytest
from estimated import DEMO, OPEN_CLIP, demo_config, on_meta

from tangent.config.cost import throughput
from tangent.config.cost.cost_table import WIDTH, as_text
from tangent.config.cost.downloads import downloads
from tangent.config.cost.model_sizes import architecture_of
from tangent.config.cost.study import CONTEXT, SECONDS_TO_START, Costs
from tangent.config.cost.throughput import CPU, Machine, MeasuredThroughput, Work, known_gpus
from tangent.config.load import load_config
from tangent.jobs.errors import UserError

WARNING = re.compile(
    r"WARNING: (\w+) takes [\d.]+ GB, more than this GPU has. What helps: (.*?)\. "
)


@pytest.fixture
def demo():
    return demo_config()


def job(rule, wildcards, inputs, outputs):
    return {"rule": rule, "wildcards": wildcards, "inputs": inputs, "outputs": outputs}


def planned(config):
    """Some jobs of each stage, as Snakemake lists them."""
    study = f"{config.paths.results}/{config.study}"
    jobs = [job("pretrained_clip", {"model": "demo-vit"}, [], ["resources/pretrained/a"])]
    for task in config.tasks:
        wildcards = {"model": "demo-vit", "task": task, "training": "linear", "seed": "0"}
        encoder = f"{study}/finetuned/demo-vit/linear/{task}/seed0/encoder.safetensors"
        jobs.append(job("finetuned", wildcards, ["resources/pretrained/a"], [encoder]))
        tau = f"{study}/task_vectors/demo-vit/linear/{task}/seed0/task_vector.safetensors"
        jobs.append(job("task_vector", wildcards, [encoder], [tau]))
    page = job("report", {}, [tau], [f"{study}/report/index.html"])
    return [page, *reversed(jobs)]


def measured(**changes):
    model = architecture_of(DEMO, "demo-vit")
    values = dict(
        model="demo-vit", parameters=model.encoder_parameters, flops=model.image_flops,
        device="H200", dtype="float32", what="forward", images_per_second=1e5, how="by hand",
    )  # fmt: skip
    return MeasuredThroughput(**values | changes)


def test_time_is_measured_before_it_is_assumed():
    model, work = architecture_of(DEMO, "demo-vit"), Work("forward", 2e5)
    assumed = Machine("H200", 0.5, []).time(model, work, "float32")
    assert assumed.basis == "assumed"
    assert assumed.seconds == pytest.approx(2e5 * model.image_flops / (0.5 * 67e12))
    steps = Machine("H200", 0.5, []).time(model, Work("linear step", 2e5), "bfloat16")
    assert steps.seconds == pytest.approx(6 * assumed.seconds * 67 / 989)
    found = Machine("H200", 0.5, [measured()]).time(model, work, "float32")
    assert (found.seconds, found.basis) == (2.0, "measured")
    for other in ({"parameters": 1}, {"dtype": "bfloat16"}, {"device": CPU}, {"what": "tangent"}):
        machine = Machine("H200", 0.5, [measured(**other)])
        assert machine.time(model, work, "float32") == assumed


def test_of_two_measurements_the_last_counts():
    model, work = architecture_of(DEMO, "demo-vit"), Work("forward", 2e5)
    machine = Machine("H200", 0.5, [measured(), measured(images_per_second=4e5)])
    assert machine.time(model, work, "float32").seconds == 0.5


def test_a_cpus_time_is_scaled_by_the_arithmetic():
    small, large = (
        architecture_of(DEMO, "demo-vit"),
        architecture_of({"source": "open_clip", "name": OPEN_CLIP[0]}, "b"),
    )
    machine = Machine(CPU, 0.35, [measured(device=CPU)])
    work = Work("forward", 1e5)
    scaled = machine.time(large, work, "float32")
    assert scaled.basis == "scaled"
    assert scaled.seconds == pytest.approx(large.image_flops / small.image_flops)


def test_measurements_are_complete_and_of_known_devices():
    found = throughput.measurements()
    steps = {"standard step", "linear step"}
    for dtype, kinds in (
        ("float32", {"forward", "tangent", "gradient"} | steps),
        ("bfloat16", {"forward", "tangent"} | steps),
    ):
        on_a_cpu = {entry.what for entry in found if (entry.device, entry.dtype) == (CPU, dtype)}
        assert on_a_cpu >= kinds  # from which those of other models are scaled
    for entry in found:
        assert entry.device in (CPU, *known_gpus()) and entry.dtype in ("bfloat16", "float32")
        assert entry.what in throughput.COST and entry.images_per_second > 0


def test_a_measurement_of_another_form_is_refused(monkeypatch):
    entry = measured().model_dump()
    del entry["how"]
    monkeypatch.setattr(throughput, "facts", lambda name: [entry | {"speed": 1}])
    with pytest.raises(
        UserError, match=r"measured.yaml: how is missing\n.*speed is not a known key"
    ):
        throughput.measurements()


def test_an_unknown_gpu_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="estimate.gpu: .*'H2000'; known: H200, H100"):
        Machine("H2000", 0.35)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"source": "open_clip", "name": "RN50"},
            "pretrained.x: there is no estimate for the architecture in .*RN50",
        ),
        ({"source": "open_clip", "name": "convnext_base"}, "pretrained.x: there is no estimate"),
        ({"source": "transformers"}, "no estimate for models of the source 'transformers'"),
        (
            {"source": "pretraining", "recipe": "y", "step": 0},
            "pretrained.x: there is no estimate for models of the source 'pretraining'",
        ),
        (
            {"source": "random", "name": "ViT-B-31"},
            "pretrained.x.name: open_clip has no model 'ViT-B-31'",
        ),
        ({"folder": "nowhere"}, "nowhere/open_clip_config.json does not exist"),
    ],
)
def test_an_architecture_that_cannot_be_estimated_is_named(entry, message):
    with pytest.raises(UserError, match=message):
        architecture_of(entry, "x")


def test_limits_grow_with_the_work_the_weights_and_the_device(demo):
    def costs(model, device=CPU):
        content = demo.model_dump()
        content["pretrained"]["demo-vit"] = model
        return Costs(load_config(content), Machine(device, 0.35))

    training = "finetuned", {"model": "demo-vit", "task": "letters", "training": "linear"}
    large = {"source": "random", "name": OPEN_CLIP[2], "image_size": 224, "seed": 0}
    unknown = {"source": "timm", "name": "convnext_base.fb_in1k", "image_size": 224}
    small = costs(demo.pretrained["demo-vit"].model_dump())
    assert small.minutes(*training) == costs(unknown).minutes(*training) == 240
    assert costs(large).minutes(*training) > 240
    encoder = 4 * architecture_of(large | {"source": "open_clip"}, "L").encoder_parameters >> 20
    on_a_gpu = costs(large, "H200").main_memory(*training)
    assert 7 * encoder < on_a_gpu < 15 * encoder
    assert costs(large).main_memory(*training) > on_a_gpu + 30_000  # activations
    assert not costs(unknown).knows(training[1])
    weights = [costs(unknown).main_memory(*training, encoder=size << 20) for size in (100, 200)]
    assert weights[1] - weights[0] == 800
    plot = small.main_memory("plot", {"figure": "figure2"}), small.minutes("plot", {})
    assert plot == (1000, 30)
    assert small.processes_on_device(*training) == 1 > small.processes_on_device("plot", {})


def test_downloads_are_the_hubs_copies_and_open_clips_weights(demo):
    content = demo.model_dump()
    hub = {"source": "hub", "repository": "tanganke/dtd", "revision": "main"}
    unknown = {"source": "hub", "repository": "some/thing", "revision": "main"}
    content["datasets"]["letters"]["sources"] = [{"source": "folder", "root": "data"}, hub]
    content["datasets"]["signs"]["sources"] = [unknown]
    content["pretrained"]["demo-vit"] = {
        "source": "open_clip", "name": OPEN_CLIP[0], "tag": "openai", "image_size": 224,
    }  # fmt: skip
    config = load_config(content)
    model = architecture_of({"source": "open_clip", "name": OPEN_CLIP[0]}, "demo-vit")
    weights, *copies = downloads(config, {"demo-vit": model.sizes})
    assert weights.size == 4 * sum(value.numel() for value in on_meta(OPEN_CLIP[0]).parameters())
    assert [(copy.what, copy.size) for copy in copies] == [
        ("letters: tanganke/dtd", 629_000_000),
        ("signs: some/thing", None),
    ]
    costs = Costs(config, Machine("H200", 0.35))
    text = as_text(costs, costs.estimate(planned(config)))
    assert "unknown" in text and "at least " in text


@pytest.mark.parametrize("device", [CPU, *known_gpus()])
def test_the_table_fits_its_width_and_adds_up(demo, device):
    costs = Costs(demo, Machine(device, 0.35))
    jobs = planned(demo)
    found = costs.estimate(jobs)
    text = as_text(costs, found)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"demo-vit         {2 * len(demo.tasks) + 1:>4}  {len(demo.tasks):>12}  " in text
    assert list(found.stages.index) == ["pretrained", "finetuned", "task_vectors", "report"]
    assert found.stages.jobs.sum() == found.total.jobs.item() == len(jobs)
    tasks = len(demo.tasks)
    assert found.models.jobs.to_dict() == {"demo-vit": 2 * tasks + 1, "demo-vit-random": 0}
    weights = architecture_of(DEMO, "demo-vit").sizes.encoder
    finetuned, pretrained = found.stages.loc["finetuned"], found.stages.loc["pretrained"]
    assert (finetuned.model_jobs, finetuned.results) == (tasks, tasks * weights)
    assert pretrained.resources > weights > pretrained.results == 0
    assert finetuned.memory > 7 * weights + CONTEXT
    assert ("CPU-h" in text) == (device == CPU) and ("GPU-h" in text) == (device != CPU)
    assert "unknown" not in text
    assert ("- measured:" in text) == (device == CPU)


def test_a_gpu_that_is_too_small_is_warned_of_by_stage_with_what_helps_there(demo):
    content = demo.model_dump()
    content["pretrained"]["demo-vit"] = {
        "source": "random", "name": OPEN_CLIP[2], "image_size": 224, "seed": 0,
    }  # fmt: skip
    config = load_config(content)
    study, wildcards = f"{config.paths.results}/{config.study}", {"model": "demo-vit", "seed": "0"}
    of_kernels = {"task": "letters"}, f"{study}/eigenfunctions/a"
    of_products = {"dataset": "letters", "mode": "linear"}, f"{study}/products/a"
    others = {"eigenfunctions": of_kernels, "products": of_products}
    jobs = [job(rule, wildcards | of, [], [path]) for rule, (of, path) in others.items()]

    def warned(gpu, config=config):
        costs = Costs(config, Machine(gpu, 0.35))
        text = " ".join(as_text(costs, costs.estimate([*planned(config), *jobs])).split())
        return {stage: keys for stage, keys in WARNING.findall(text)}

    found = warned("L4")
    assert found.keys() == {"eigenfunctions", "finetuned", "products"}
    assert found["products"] == "compute.memory.products, compute.evaluation_batch_size"
    assert "compute.memory.kernels, eigenfunctions.logits" in found["eigenfunctions"]
    assert found["finetuned"].startswith("finetuning.models.demo-vit.accumulation_steps, ")
    assert "compute" not in found["finetuned"] and "finetuning" not in found["eigenfunctions"]
    assert warned("H200") == {}
    content["compute"]["memory"] = {"kernels": 1, "products": 2}
    content["eigenfunctions"]["logits"] = 1
    assert list(warned("L4", load_config(content))) == ["finetuned"]


def test_the_longest_job_of_each_rule_is_beside_its_limit(demo):
    """Of equal images the task with most epochs."""
    content = demo.model_dump()
    content["finetuning"]["epochs"] |= {"signs": 5000, "letters": 10}
    content["finetuning"]["models"] = {"demo-vit": {"processes": 2}}
    costs = Costs(load_config(content), Machine(CPU, 0.35))
    found = costs.estimate(planned(costs.config))
    assert list(found.longest.index) == ["finetuned"]
    (longest,) = found.longest.itertuples()
    assert longest.wildcards == "demo-vit signs linear 0"
    wildcards = {"model": "demo-vit", "task": "signs", "training": "linear"}
    assert longest.minutes == costs.minutes("finetuned", wildcards) > 240
    started = longest.takes - SECONDS_TO_START["cpu"]
    assert longest.minutes == pytest.approx(4 * started / 60, abs=1)
    row = rf"finetuned +{longest.takes / 3600:.1f} h +{longest.minutes / 60:.1f} h +demo-vit signs"
    assert re.search(row, as_text(costs, found))
