"""Judges behind one interface, MARS², and how far judges agree."""
