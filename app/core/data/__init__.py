"""From a file nobody vouches for to float32 rows ready for training."""
