"""Validity: how good the scores are, on the past and on simulated companies."""
