"""Checks: what the data must keep, what was found, and whether it still looks like what was trained on."""
