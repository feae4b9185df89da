"""Filterscope: a desktop laboratory for seeing what small networks learn."""

__version__ = "0.1.0"
