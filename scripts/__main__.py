"""The command line of every script: python -m scripts NAME FLAGS."""

import importlib.util
import sys

from scripts import cli

name, *flags = sys.argv[1:] or [""]
found = name.isidentifier() and importlib.util.find_spec(f"scripts.{name}")
script = importlib.import_module(f"scripts.{name}") if found else None
if not hasattr(script, "run"):
    sys.exit(f"usage: python -m scripts NAME FLAGS ({name!r} is none of the scripts)")
cli.main(script.Arguments, script.run, flags)
