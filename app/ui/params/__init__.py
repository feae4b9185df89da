"""The rows of a form: one for each kind of parameter."""
