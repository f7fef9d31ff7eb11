"""Classification heads: from features to class scores; frozen while the encoder is edited."""
