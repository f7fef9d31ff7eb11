"""Models: where they come from (`sources`), their families (`families`), how they are loaded."""

from tangent.models.encoders import load_encoder, random_encoder
from tangent.models.families import (
    ENCODER_FILE,
    FAMILIES,
    Family,
    config_path,
    family_of,
    preprocess_config,
)

__all__ = [
    "ENCODER_FILE",
    "FAMILIES",
    "Family",
    "config_path",
    "family_of",
    "load_encoder",
    "preprocess_config",
    "random_encoder",
]
