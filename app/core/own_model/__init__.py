"""A person's own network: a file of Python that runs in a process of its own.

file.py      which file and which of its names is meant
process.py   the child that runs it
remote.py    the talk with the child, and its end
shared.py    the memory in which both see weights and batches
hosted.py    a network that answers there, and is started anew when its process was ended
"""
