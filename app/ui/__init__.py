"""The window: it shows what the core does and owns none of it."""
