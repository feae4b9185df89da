"""Studies: any setting over a list or range, several seeds, trained side by side.

`StudySpec` says what is tried, `StudyFolder` which runs belong to it, `conduct` has them trained
by a `Pool`: processes of this computer, or a Dask cluster. The runs are ordinary runs.
"""
