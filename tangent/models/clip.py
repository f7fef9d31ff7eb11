"""CLIP models in open_clip's hub format."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG_FILE = "open_clip_config.json"
MODEL_FILE = "open_clip_model.safetensors"


def load_model(
    folder: Path, device: str | torch.device = "cpu", copied_from: Path | None = None
) -> nn.Module:
    """Load the whole CLIP model (image and text encoder) in evaluation mode, float32.

    Where the folder's weights are a copy, a message names the file that the user gave.

    Raises:
        UserError: a file is missing or damaged, or the weights do not fit the architecture (the
            message names the first key).
    """
    import open_clip

    folder = Path(folder)
    if not (folder / MODEL_FILE).exists():
        raise UserError(f"{folder / MODEL_FILE} does not exist: run the step `pretrained`.")
    with quiet_root_logger():
        try:
            model = open_clip.create_model(f"local-dir:{folder}", device=device)
        except Exception as error:  # open_clip raises many types; each means an unusable folder
            raise UserError(
                f"{copied_from or folder / MODEL_FILE} cannot be loaded with {CONFIG_FILE} beside "
                f"it: {_first_fault(error)}"
            ) from error
    return model.eval()


def load_tokenizer(folder: Path) -> Callable[..., torch.Tensor]:
    """Load the model's tokenizer: it maps texts to int64 [texts, context_length]."""
    import open_clip

    return open_clip.get_tokenizer(f"local-dir:{folder}")


def new_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The image encoder of an open_clip configuration, as it is initialised."""
    import open_clip

    config = config["model_cfg"]
    vision = dict(config["vision_cfg"])
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False  # it would download other weights
    # The public constructor builds both encoders, so the text encoder gets the smallest size.
    return open_clip.CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=vision,
        text_cfg={"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1},
        quick_gelu=config.get("quick_gelu", False),
    ).visual


@contextmanager
def quiet_root_logger() -> Iterator[None]:
    """Keep open_clip's messages, which go to the root logger, out of the terminal.

    Without a handler there, `logging.error` would install one that prints everything from then on.
    """
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _first_fault(error: Exception) -> str:
    """Return the first informative line of an error: load_state_dict's first says no key."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    chosen = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
    return chosen if len(chosen) <= 300 else chosen[:300] + " …"
