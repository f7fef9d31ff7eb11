"""CLIP models: where they come from (`sources`) and how they are loaded (`load`)."""

from tangent.models.load import (
    CONFIG_FILE,
    ENCODER_FILE,
    MODEL_FILE,
    load_encoder,
    load_model,
    load_tokenizer,
    preprocess_config,
    random_encoder,
)

__all__ = [
    "CONFIG_FILE",
    "ENCODER_FILE",
    "MODEL_FILE",
    "load_encoder",
    "load_model",
    "load_tokenizer",
    "preprocess_config",
    "random_encoder",
]
