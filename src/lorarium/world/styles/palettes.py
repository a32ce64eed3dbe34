"""Palettes of five colours, paper first and ink last; artists of a genre share them."""

from __future__ import annotations

from lorarium.world.colour import table

PALETTES = {
    name: table(colours.split())
    for name, colours in {
        "linen": "#f4ead8 #d8b48a #b0664a #5a6a78 #2a2430",
        "snow": "#f2f4f6 #b8ccd8 #7a9ab0 #a0585a #20242c",
        "dune": "#f0dcb4 #e0a860 #c0603a #6a5048 #30201c",
        "meadow": "#eaf0d4 #b0c878 #6a9a58 #c08a4a #24301e",
        "dawn": "#fae4d8 #f0a890 #c86878 #6a5a90 #2a1e3a",
        "sea": "#dff0f0 #88c8cc #3a90a8 #e0a070 #14283c",
        "plum": "#efe0ee #c8a0cc #8a5a9c #d08a70 #281830",
        "clay": "#f0e0d2 #d09c80 #a05a48 #708068 #2c1c18",
        "mint": "#e2f4e8 #98d4b4 #4a9c88 #d8887a #163028",
        "dusk": "#d8d4e8 #a098c8 #6a68a8 #e09878 #1c1a34",
        "honey": "#fbeebc #f2c44c #d8843a #8a5a4c #30200f",
        "rose": "#fae6ea #eca8b4 #cc6884 #8090a8 #301a26",
        "night": "#141826 #2c3c6c #3a78b8 #e0b868 #f0ecd8",
        "pitch": "#100e12 #582858 #c03878 #38b8b0 #f4f0d8",
        "abyss": "#0c1a24 #145060 #28a098 #e8805a #eaf4e8",
        "ember": "#1a1010 #5c2020 #c84c28 #f0b048 #fcecd0",
        "slate": "#2c343a #4c5c64 #88a0a0 #d8b088 #f0eee6",
        "forest": "#14201a #2a4c38 #5c9464 #d8c468 #f0f2dc",
        "cobalt": "#1c3c84 #2c58a8 #7098d8 #c8dcf4 #f4f8ff",
        "navy": "#16284c #24487c #5c88b8 #d0dce8 #ffffff",
        "teal": "#12484c #1c686c #60a8a4 #c8e4dc #f4fffc",
        "wine": "#4c1830 #782c48 #b86880 #ecc8d0 #fff4f4",
    }.items()
}
DAY = (
    "linen",
    "snow",
    "dune",
    "meadow",
    "dawn",
    "sea",
    "plum",
    "clay",
    "mint",
    "dusk",
    "honey",
    "rose",
)
NIGHT = ("night", "pitch", "abyss", "ember", "slate", "forest")
PRINT = ("cobalt", "navy", "teal", "wine")
