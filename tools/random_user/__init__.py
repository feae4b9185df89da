"""A person at the window who does anything at all: ``python -m tools.random_user --help``.

`user` decides what comes next, `hand` moves the mouse and presses the keys, `scratch` has the
files and the disk that gets full, `watch` hears whatever goes wrong, `checks` knows what must hold.
"""
