"""Edited models as folders that other programs load."""
