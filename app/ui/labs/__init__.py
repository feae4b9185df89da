"""Labs: a panel with its data, its settings and its training."""
