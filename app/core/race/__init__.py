"""A race: a few settings, trained on the same batches one beside the other.

`entry` says which settings may race, `line_up` makes their runs, `lockstep` trains them in
turns, `standing` says who is ahead.
"""
