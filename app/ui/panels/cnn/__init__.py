"""The parts of the CNN lab."""
