"""Threads that drive the core; they know QtCore and never a widget."""
