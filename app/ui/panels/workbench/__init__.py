"""The parts of the workbench: a card each."""
