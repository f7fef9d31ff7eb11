"""Tensors of device `cuda` without a GPU: they have shapes and types but no data.

Tensors of the CPU are real, and what is read from the GPU is zeros, so whole trainings and
evaluations run. It shows which device and type every operation meets, and that it has a derivative;
it shows no error of a kernel, no memory and no race. The stub libraries must be preloaded.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
_COPIES = (aten._to_copy.default, aten.copy_.default)
_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "convolution")


class Mixed(Exception):
    """An operation met tensors of several devices, or a product of several types.

    Only a copy may have several devices, and single numbers, which do not count.
    """


class Fakes(FakeTensorMode):
    """Torch's mode, that may be copied with a tensor."""

    def __deepcopy__(self, memo: object) -> Fakes:
        return self  # a copy of a tensor belongs to the same mode


class InThisThread(Executor):
    """Stands in for a pool of threads: a mode belongs to a thread, and these fakes to one only."""

    def __init__(self, max_workers: int) -> None:
        pass

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        future.set_result(function(*args, **kwargs))
        return future


class FakeCuda(TorchDispatchMode):
    """Within it, `device="cuda"` works.

    Attributes:
        read: what the CPU gets of a tensor, by shape and type.
        operations: the names of the operations that ran on the GPU so far.
        types: the types of their results.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fakes = Fakes(allow_non_fake_inputs=True)
        self.read = _zeros
        self.operations: set[str] = set()
        self.types: set[torch.dtype] = set()
        self._before: list[bool] = []

    def __enter__(self) -> FakeCuda:
        # So that `torch.tensor(numbers, device="cuda")` makes a copy, which this mode sees.
        self._before.append(torch._C._only_lift_cpu_tensors())
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        torch._C._set_only_lift_cpu_tensors(self._before.pop())
        super().__exit__(*exception)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = function._opname
        if name == "is_pinned":
            return False
        if name == "_pin_memory":
            return args[0]
        if function.namespace == "aten":  # in inference mode, what is made of others comes whole
            with self:
                parts = function.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        leaves = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        wanted = {leaf.type for leaf in leaves if isinstance(leaf, torch.device)}
        if "cuda" not in wanted and not any(isinstance(one, FakeTensor) for one in tensors):
            return function(*args, **kwargs)
        self.operations.add(name)
        devices = {tensor.device.type for tensor in tensors if tensor.ndim}
        if len(devices) > 1 and function not in _COPIES:
            raise Mixed(f"{name} of tensors on {', '.join(sorted(devices))}")
        types_given = {str(tensor.dtype) for tensor in tensors}
        if name in _PRODUCTS and len(types_given) > 1:
            raise Mixed(f"{name} of {', '.join(sorted(types_given))}")
        if function is aten._local_scalar_dense.default:
            return self.read((), args[0].dtype).item()
        if function is aten.equal.default:  # as all that is read is zeros
            return args[0].shape == args[1].shape
        if function is aten.copy_.default and args[0].device.type == "cpu":
            return args[0].copy_(self.read(args[0].shape, args[0].dtype))
        with self.fakes:
            if function is aten.nonzero.default:  # how many depends on data: all of them
                return args[0].new_empty(args[0].numel(), args[0].ndim, dtype=torch.int64)
            result = function(*args, **kwargs)
        self.types |= {leaf.dtype for leaf in tree_leaves(result) if isinstance(leaf, Tensor)}
        return tree_map(self._here, result)

    def _here(self, value: Any) -> Any:
        if isinstance(value, FakeTensor) and value.device.type == "cpu":
            return self.read(value.shape, value.dtype)
        return value


def _zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.zeros(shape, dtype=dtype)


def start_cuda() -> None:
    """Start CUDA on the stubs, and stand in for its generators, which they do not have."""
    torch._C._ensureCUDADeviceGuardSet()
    torch.cuda.init()
    FakeTensorMode.avoid_device_init = True  # in the modes that torch's compiler makes, too
    for module in (torch.cuda, torch.cuda.random):
        module.get_rng_state = lambda *_: torch.zeros(16, dtype=torch.uint8)
        module.set_rng_state = lambda *_: None
