"""Networks of layers: what they look like, what they compute, and how they are examined."""
