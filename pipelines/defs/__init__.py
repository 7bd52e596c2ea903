"""The night, to be read in this order: ``raw``, ``staging``, ``scores``, ``marts``, ``published``; then ``jobs``."""
