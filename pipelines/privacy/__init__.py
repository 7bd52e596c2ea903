"""Privacy: pseudonyms, erasure, and the proof that nothing is left."""
