"""Rules that turn a gradient into the next weights."""
