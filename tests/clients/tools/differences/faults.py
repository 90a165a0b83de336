"""Faults of Ottla's that the comparison found. An entry goes when its fault is mended: the run fails as long as it stays."""

FAULTS = []
