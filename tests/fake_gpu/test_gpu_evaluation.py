"""Evaluations on a GPU: every operation finds its tensors there, in types that fit."""

import numpy as np
import pytest
import torch
from gpu_models import PREPROCESS, WIDTH, StoredImages, clip, family, on_gpu

from tangent.arithmetic.linearized import linearize, parameters_of
from tangent.arithmetic.task_vector import TaskVector
from tangent.evaluation.edited_plain import PlainEditedModel
from tangent.evaluation.features import Images, Texts, encode
from tangent.evaluation.products import dataset_products
from tangent.kernels.gram import LogitGradients, classifier
from tangent.kernels.localization import TangentEigenfunctions
from tangent.kernels.matrix_free import TangentOperator
from tangent.models.heads.zero_shot import build_head
from tangent.tasks.task_files import load_task

families = pytest.mark.parametrize(
    ("name", "autocast"),
    [("CLIP", "none"), ("CLIP", "bfloat16"), ("classifier", "bfloat16"), ("T5", "none")],
)


def examples(split):
    """A split as evaluations see it, on the GPU."""
    return (Images if split.kind == "image" else Texts)(split, PREPROCESS, "cuda")


@families
def test_features(gpu, name, autocast):
    encoder, head, split = family(name)
    encoder, kept = on_gpu(encoder), examples(split)
    kept.keep()
    for _ in range(2):  # read, then from the GPU's memory
        features = encode(encoder, kept, 4, autocast)
        assert features.shape == (6, head.width) and features.dtype == np.float32
    assert torch.bfloat16 in gpu.types or autocast == "none"


@families
def test_products_with_the_jacobian(gpu, tmp_path, name, autocast):
    encoder, head, split = family(name)
    files = {}
    for task in ("first", "second", "third"):
        files[task] = tmp_path / task
        tau = {name: torch.ones(value.shape) for name, value in encoder.named_parameters()}
        TaskVector(tau).save(files[task])
    found = dataset_products(
        on_gpu(encoder), files, {"test": list(files), "validation": ["second"]},
        lambda dataset, which: examples(split), "data", 4, autocast,
    )  # fmt: skip
    assert {task: product.shape for task, product in found["test"].items()} == dict.fromkeys(
        files, (6, head.width)
    )
    assert list(found["validation"]) == ["second"]


@pytest.mark.parametrize("autocast", ["none", "bfloat16"])
def test_an_edited_model(gpu, autocast):
    encoder, _, split = family("CLIP")
    tau = {name: torch.ones(value.shape) for name, value in encoder.named_parameters()}
    edited = PlainEditedModel(
        on_gpu(encoder), {"task": tau}, lambda *which: examples(split), autocast=autocast
    )
    for alpha in (0.0, 0.3):
        assert edited.features({"task": alpha}, "data", "test").shape == (6, WIDTH)


def test_a_linearized_model(gpu):
    encoder, _, split = family("CLIP")
    model = linearize(on_gpu(encoder))
    images = examples(split).whole()
    with torch.inference_mode():
        assert model(images).device.type == "cuda"


def test_a_zero_shot_head(gpu):
    task = load_task("shapes")
    model = on_gpu(clip())

    def tokenizer(texts, context_length=16):
        return torch.ones(len(texts), context_length, dtype=torch.int64)

    head = build_head(model, tokenizer, task)
    assert head.weight.shape == (len(task.classes), WIDTH)


@pytest.fixture
def kernel(gpu):
    """Logits as a function of weights, the weights and images, on the GPU."""
    encoder, head, split = family("CLIP")
    f = classifier(on_gpu(encoder), head.on("cuda"))
    return f, parameters_of(encoder), examples(split).whole()


def test_kernel_matrices(kernel):
    f, theta0, images = kernel
    gradients = LogitGradients(f, theta0, chunk_size=3)
    for others in (None, images[:5]):
        gram = gradients.gram(images, others, [0, 2], held_images=4)
        assert gram.device.type == "cuda"
        assert gram.shape == (12, 12 if others is None else 10)


@pytest.mark.parametrize("count", [1, 3])
def test_products_with_kernels(kernel, count):
    f, theta0, images = kernel
    operator = TangentOperator(f, theta0, [0, 2], batch_size=2)
    directions = operator.transposed(images, torch.ones(count, 6, 2, dtype=torch.float64))
    products = torch.cat(list(operator.along(directions, images)), dim=1)
    assert products.device.type == "cuda" and products.shape == (count, 6, 2)
    assert operator.kernel_product(images, np.ones(12)).dtype == np.float64


def independent(shape, dtype):
    """What a kernel matrix of independent images might be."""
    full = torch.zeros(shape, dtype=dtype)
    if len(shape) == 2 and shape[0] == shape[1]:
        full.diagonal().copy_(torch.arange(1, shape[0] + 1))
    return full


@pytest.mark.parametrize("logits", [[1], "all"])
def test_local_energies(gpu, kernel, logits):
    gpu.read = independent
    f, theta0, images = kernel
    found = TangentEigenfunctions(f, theta0, images, logits, components=2)
    energies = found.local_energies([images, images[:4]])
    assert [of_images.shape for of_images in energies] == [(1, 6), (1, 4)]


def test_images_that_stay_on_the_cpu_are_found(gpu, cuda):
    encoder, _, _ = family("CLIP")
    images = Images(StoredImages(), PREPROCESS, "cpu")
    with pytest.raises(cuda.Mixed, match="cpu, cuda"):
        encode(on_gpu(encoder), images, 4)
