"""The labs by their place among the tabs."""

from __future__ import annotations

__all__ = ["AUTOENCODER", "CNN", "DATA", "RACE", "RUNS", "STUDIES", "TITLES", "WORKBENCH"]

TITLES = ("Data", "Autoencoder", "CNN", "Workbench", "Runs", "Studies", "Race")
DATA, AUTOENCODER, CNN, WORKBENCH, RUNS, STUDIES, RACE = range(len(TITLES))
