"""The child process that opens files nobody vouches for; run as a program, never imported by the window.

Only modules of this folder open such bytes. They import no Qt and nothing else of the
program but the framing of messages.
"""
