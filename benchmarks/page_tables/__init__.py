"""The tables of the pages: each a function from results to lines; `pages.py` puts them there."""
