"""The study's configuration: schema, checks and the reference page."""
