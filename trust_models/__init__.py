"""The models: as-of discipline, evidence, features, labels, estimators, explanation, simulation.

Belongs here: pure functions and estimators on frames and arrays. Must not be here: Dagster, DuckDB, files, the
environment, the clock.
"""
