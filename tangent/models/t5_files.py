"""Names of the files in the folder of a T5 model."""

CONFIG_FILE = "t5_config.json"
MODEL_FILE = "t5_model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
