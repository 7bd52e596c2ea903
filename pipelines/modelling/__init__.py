"""Modelling: models trained, stored and applied; every formula is in ``trust_models``."""
