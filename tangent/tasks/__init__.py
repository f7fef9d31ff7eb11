"""Tasks as data: one YAML file per task, and what reads them."""
