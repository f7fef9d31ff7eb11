"""Trainings on a GPU: every operation finds its tensors there, in types that fit."""

import copy
from types import SimpleNamespace

import pytest
import torch
from gpu_models import PREPROCESS, clip, family, on_gpu
from torch.utils._pytree import tree_leaves, tree_map

from tangent.arithmetic.linearized import linearize
from tangent.training.engine import compile_for
from tangent.training.examples import training_examples
from tangent.training.history import Record
from tangent.training.loop import Settings, finetune

both_trainings = pytest.mark.parametrize("training", ["standard", "linear"])
both_types = pytest.mark.parametrize("autocast", ["none", "bfloat16"])


def train(encoder, head, split, training, autocast="none", checkpoint=None, **settings):
    """The result of two steps of up to 4 examples, and their rows."""
    record = Record()
    settings = Settings(
        training, "task", seed=0, epochs=1, learning_rate=1e-3, batch_size=4, autocast=autocast,
        **settings,
    )  # fmt: skip
    examples = training_examples(split, PREPROCESS)
    result = finetune(encoder, head, examples, settings, record, checkpoint)
    assert [row[0] for row in record.rows] == [0, 1]
    return result


@both_trainings
@both_types
@pytest.mark.parametrize("activation_checkpointing", ["off", "on"])
def test_a_training(gpu, training, autocast, activation_checkpointing):
    encoder, head, split = family("CLIP")
    result = train(
        on_gpu(encoder), head, split, training, autocast,
        activation_checkpointing=activation_checkpointing, accumulation_steps=2,
    )  # fmt: skip
    assert {(value.device.type, value.dtype) for value in result.state.values()} == {
        ("cuda", torch.float32)
    }
    assert {"_fused_adamw_", "_foreach_norm", "convolution_backward"} <= gpu.operations
    assert autocast in {"none", *(str(t).removeprefix("torch.") for t in gpu.types)}


@pytest.mark.parametrize("name", ["classifier", "T5"])
def test_a_training_of_another_family(gpu, name):
    encoder, head, split = family(name)
    result = train(on_gpu(encoder), head, split, "linear", "bfloat16")
    assert {value.device.type for value in result.state.values()} == {"cuda"}


class StateOnCpu:
    """A checkpoint that keeps the state after every step as a file does: on the CPU."""

    stop_signal, is_due, state = None, True, None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def save(self, state):
        self.state = tree_map(
            lambda leaf: leaf.cpu() if isinstance(leaf, torch.Tensor) else leaf, state
        )

    def load(self):
        return copy.deepcopy(self.state)


@both_trainings
def test_a_training_goes_on_from_a_state_of_the_cpu(gpu, training):
    checkpoint = StateOnCpu()
    for _ in range(2):  # the second one takes the last step alone
        encoder, head, split = family("CLIP")
        train(on_gpu(encoder), head, split, training, checkpoint=checkpoint)
        assert checkpoint.state["step"] == 1
        leaves = tree_leaves(checkpoint.state["optimizer"]["state"])
        assert leaves and {leaf.device.type for leaf in leaves} == {"cpu"}


def test_what_stays_on_the_cpu_is_found(gpu, cuda):
    encoder, head, split = family("CLIP")
    on_gpu(encoder).positional_embedding = torch.nn.Parameter(torch.zeros(5, 32))
    with pytest.raises(cuda.Mixed, match="cpu, cuda"):
        train(encoder, head, split, "standard")


def test_types_that_do_not_fit_are_found(gpu, cuda):
    encoder, head, split = family("CLIP")
    on_gpu(encoder).proj.data = encoder.proj.data.bfloat16()
    with pytest.raises(cuda.Mixed, match="mm of torch.bfloat16, torch.float32"):
        train(encoder, head, split, "standard")


@pytest.mark.parametrize(
    ("training", "autocast"), [("standard", "bfloat16"), ("linear", "none"), ("linear", "bfloat16")]
)
def test_compiled_passes_up_to_the_code_of_their_kernels(
    cuda, monkeypatch, tmp_path, training, autocast
):
    """Triton's code is written for forward and backward pass; no kernel is made of it."""
    written = []

    def compile_to_module(graph):
        written.append(graph.codegen()[0].value)

        def call(inputs):
            outputs = torch.fx.Interpreter(graph.orig_gm).run(*inputs)
            inputs.clear()
            return outputs

        return SimpleNamespace(call=call)

    monkeypatch.setattr("torch._inductor.graph.GraphLowering.compile_to_module", compile_to_module)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch.utils._triton.triton_hash_with_backend", lambda: "no driver")
    torch._dynamo.reset()
    with (
        torch._inductor.config.patch(fx_graph_cache=False, joint_graph_constant_folding=False),
        torch._functorch.config.patch(enable_autograd_cache=False),
        # The compiler knows torch's own mode of fake tensors, and looks at no data.
        cuda.Fakes(allow_non_fake_inputs=True),
        torch.autocast("cuda", torch.bfloat16, enabled=autocast == "bfloat16"),
    ):
        with torch.device("cuda"):
            model, images = clip().visual.eval(), torch.zeros(4, 3, 32, 32)
        model = linearize(model) if training == "linear" else model
        features = compile_for(model, images)(images)
    assert features.device.type == "cuda"
    assert len(written) == 2 and all("@triton.jit" in code for code in written)
