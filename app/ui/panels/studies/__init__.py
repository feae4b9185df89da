"""The parts of the Studies lab."""
