"""What can be taken away of a run: a page, a film, a poster, a notebook, the whole run.

page.py       what a page says; HTML of it, and `pdf.py` the same on paper
report.py     the page of one run
film.py       the weights forming
poster.py     one sheet of filters
notebook.py   the script that repeats a run, cell by cell
archive.py    a run as one file, and back
rerun.py      a run trained again, and where it first differs
"""
