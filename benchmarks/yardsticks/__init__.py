"""Yardsticks: what a night is held against; each a script of its own that prints a line of JSON a stage."""
