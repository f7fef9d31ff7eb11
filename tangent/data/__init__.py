"""Data sets: sources, preparation (order, validation cut, checks, cache), reading, preprocessing.

Nothing here imports torch before a function that needs it is called: steps that only read labels
start fast.
"""
