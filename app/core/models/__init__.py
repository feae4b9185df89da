"""The networks themselves: costs, gradients and what is read from their weights."""
