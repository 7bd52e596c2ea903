"""The Dagster code location and the commands: ingest, checks, scoring, publishing."""
