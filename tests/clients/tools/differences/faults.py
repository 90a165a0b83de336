"""Faults of Ottla's that the comparison found. When one is fixed, its entry must be removed, or the run fails."""

FAULTS = []
