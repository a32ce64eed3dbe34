"""`python -m lorarium` is the command line."""

from lorarium.cli import main

main()
