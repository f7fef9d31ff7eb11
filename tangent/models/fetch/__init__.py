"""Sources of pre-trained models: from an entry of the configuration to a model's folder."""
