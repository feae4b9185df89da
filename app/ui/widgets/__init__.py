"""Parts that more than one panel uses."""
