"""Ingest: landing files into ``raw`` and ``quarantine``, with an account of every row."""
