"""Named tensors from a safetensors file or a torch file; nothing that could run code is loaded."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import check_regular

if TYPE_CHECKING:
    from torch import Tensor

# What wrapping modules put before every name: data-parallel training, torch.compile, and encoders
# that hold a CLIP model as their attribute `model`, as the paper's authors' does.
_PREFIXES = ("module.", "model.")
# What they put in the middle too, where a part of the model is wrapped.
_WRAPPED = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_CONTENTS = ("state_dict", "model", "model_state_dict")
"""Keys under which training checkpoints keep a state dict beside other things."""

_PART = re.compile(r"-\d+-of-\d+\b|\.index\.json$")
_ADAPTER = re.compile(r"\b(lora|dora|hada|lokr|ia3|oft|boft|vera|hra)_\w|^prompt_embeddings$")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict on the CPU; large files are mapped into memory where the format allows it.

    A torch file may also hold a mapping with the state dict under one of `_CONTENTS`, as training
    checkpoints do; the other entries are left out. Prefixes that all names share because of
    wrapping modules are taken off.

    Raises:
        UserError: the file is damaged, of another format, one of several, an adapter, or holds
            anything but named tensors.
    """
    if part := _PART.search(path.name):
        what = "an index" if path.suffix == ".json" else f"one file of several ({part[0]})"
        raise UserError(
            f"{path} is {what}, not all weights: load the model from its folder and save "
            "model.state_dict() into one file."
        )
    check_regular(path)
    readers = {".safetensors": _read_safetensors}
    readers |= dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _read_torch)
    if path.suffix.lower() not in readers:
        raise UserError(
            f"{path}: the ending tells the format and must be one of {', '.join(readers)}. Rename "
            "the file if it is one of these."
        )
    content = readers[path.suffix.lower()](path)
    tensors = _without_prefixes(_named_tensors(content, path))
    if adapted := next((name for name in tensors if _ADAPTER.search(name)), None):
        raise UserError(
            f"{path} is an adapter (it holds {adapted}), not whole weights: merge it into its base "
            "model (in PEFT: model.merge_and_unload()) and save the state dict of that."
        )
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in list(file.keys())}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "safetensors", first_line(error)) from error


def _read_torch(path: Path) -> Any:
    import torch

    is_zip = zipfile.is_zipfile(path)  # the format before torch 1.6 is not and cannot be mapped
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        # GLOBAL is pickle's word for a function or class that the file wants to be called.
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise _holds_objects(path, refused[1]) from error
        raise _damaged(path, "torch", "its pickle is broken") from error
    except Exception as error:  # a damaged archive or pickle raises many types
        if "TorchScript" in str(error):
            raise _holds_objects(path, "a TorchScript program") from error
        raise _damaged(path, "torch", first_line(error)) from error


def _holds_objects(path: Path, which: str) -> UserError:
    return UserError(
        f"{path} holds pickled objects ({which}), not only tensors. It is refused because loading "
        "them runs code from the file. In the environment that made it, save the weights alone: "
        "torch.save({k: v for k, v in (lambda c: c.state_dict() if hasattr(c, 'state_dict') else "
        f"next((c[k] for k in {_CONTENTS} if k in c), c))(torch.load({path.name!r}, "
        "weights_only=False)).items() if torch.is_tensor(v)}, 'weights.pt')"
    )


def _damaged(path: Path, kind: str, reason: str) -> UserError:
    return UserError(
        f"{path} is not a complete {kind} file ({reason}): fetch it again, and check that its "
        "ending tells the right format."
    )


def _named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    if isinstance(content, Mapping):
        inside = (content[key] for key in _CONTENTS if isinstance(content.get(key), Mapping))
        content = next(inside, content)
    if not isinstance(content, Mapping):
        raise UserError(
            f"{path} holds a {type(content).__name__}, not a state dict: save "
            "model.state_dict(), which gives every tensor its name."
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise UserError(
                f"{path}: {name} is of type {type(value).__name__}, not a tensor with a name: save "
                "model.state_dict() alone, or put it under the key state_dict."
            )
        if value.layout is not torch.strided or value.is_meta or value.is_nested:
            raise UserError(
                f"{path}: {name} is sparse, nested or without values: save ordinary tensors "
                "(`to_dense()`) of the whole model."
            )
    if not content:
        raise UserError(f"{path} holds no tensors: save model.state_dict() into it.")
    return dict(content)


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = {_WRAPPED.sub("", name): value for name, value in tensors.items()}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefixes({n.removeprefix(prefix): t for n, t in tensors.items()})
    return tensors
