"""Compact checkpoints give the same text features as the whole model."""

from __future__ import annotations

import random
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import save_file
from small_study import compact

from tangent.jobs.errors import UserError
from tangent.jobs.files import write_json
from tangent.models.compact_checkpoint import TABLE, TOKEN_IDS, expand

VOCABULARY = 49408
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {
        "layers": 1, "width": 16, "head_width": 8, "patch_size": 16, "image_size": 32
    },
    "text_cfg": {
        "context_length": 16, "vocab_size": VOCABULARY, "width": 16, "heads": 2, "layers": 1
    },
}  # fmt: skip
WORDS = ("a", "the", "red", "blue", "circle", "letter", "q", "photo", "of", "zebra", "umbrella")


@pytest.fixture(scope="module")
def model() -> CLIP:
    torch.manual_seed(0)
    clip = CLIP(
        embed_dim=CONFIG["embed_dim"],
        vision_cfg=CLIPVisionCfg(**CONFIG["vision_cfg"]),
        text_cfg=CLIPTextCfg(**CONFIG["text_cfg"]),
    )
    # float16 is exact for what float16 can hold: the comparison below is then of the rows alone.
    clip.load_state_dict({name: value.half().float() for name, value in clip.state_dict().items()})
    return clip.eval()


def _tokens(seed: int) -> torch.Tensor:
    chance = random.Random(seed)
    captions = [" ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for _ in range(20)]
    return open_clip.SimpleTokenizer(context_length=16)(captions)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_round_trip_keeps_text_features(model: CLIP, seed: int) -> None:
    tokens = _tokens(seed)
    small = compact(model.state_dict(), tokens.unique().tolist())
    assert len(small[TABLE]) == len(small[TOKEN_IDS]) == len(tokens.unique())
    assert all(value.dtype != torch.float32 for value in small.values())
    twin = CLIP(
        embed_dim=CONFIG["embed_dim"],
        vision_cfg=CLIPVisionCfg(**CONFIG["vision_cfg"]),
        text_cfg=CLIPTextCfg(**CONFIG["text_cfg"]),
    ).eval()
    twin.load_state_dict(expand(small, VOCABULARY))
    torch.testing.assert_close(twin.encode_text(tokens), model.encode_text(tokens), rtol=0, atol=0)


@torch.no_grad()
def test_open_clip_itself_loads_an_expanded_folder(model: CLIP, tmp_path: Path) -> None:
    tokens = _tokens(0)
    small = compact(model.state_dict(), tokens.unique().tolist())
    save_file(expand(small, VOCABULARY), tmp_path / "open_clip_model.safetensors")
    write_json(tmp_path / "open_clip_config.json", {"model_cfg": CONFIG, "preprocess_cfg": {}})
    loaded = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    torch.testing.assert_close(loaded.encode_text(tokens), model.encode_text(tokens))


def _table(rows: int = 5) -> dict[str, torch.Tensor]:
    return {TABLE: torch.arange(2.0 * rows).reshape(rows, 2), "logit_scale": torch.tensor(1.0)}


def test_rows_are_kept_in_order_and_the_rest_becomes_zero() -> None:
    whole = expand(compact(_table(), [1, 4]), 5)
    assert whole[TABLE].tolist() == [[0, 0], [2, 3], [0, 0], [0, 0], [8, 9]]
    assert set(whole) == {TABLE, "logit_scale"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({TABLE: None}, "missing"),
        ({TABLE: torch.zeros(3)}, r"shape \[3\]"),
        ({TOKEN_IDS: torch.tensor([1])}, r"int64 \[2\]"),
        ({TOKEN_IDS: torch.tensor([1.0, 4.0])}, "float32"),
        ({TOKEN_IDS: torch.tensor([4, 1])}, "increasing"),
        ({TOKEN_IDS: torch.tensor([1, 1])}, "increasing"),
        ({TOKEN_IDS: torch.tensor([1, 7])}, "from 0 to 4"),
    ],
)
def test_malformed_checkpoints_are_refused(
    changes: dict[str, torch.Tensor | None], message: str
) -> None:
    tensors = {**compact(_table(), [1, 4]), **changes}
    with pytest.raises(UserError, match=message):
        expand({name: value for name, value in tensors.items() if value is not None}, 5)
