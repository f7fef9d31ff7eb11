"""Registry of data set sources: from entries of the configuration to lazily decoded images.

`locate` finds the first configured source that is there, and downloads if it must; `open_source`
opens it without a network. A source is a module with `OPTIONS`, `locate` and `open_copy`.
"""
