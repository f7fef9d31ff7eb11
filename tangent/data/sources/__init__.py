"""Sources of data sets: one class each, which `locating` asks in the configured order."""
