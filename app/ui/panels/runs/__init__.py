"""Cards of the Runs lab."""
