"""One panel a lab."""
