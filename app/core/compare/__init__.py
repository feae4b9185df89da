"""Runs beside each other: their curves, their seeds, and which filter is which."""
