"""Parts of the race: what is raced, and a lane for each racer."""
