"""The drawn world: subjects x styles x views, any pair of them renderable.

Everything that stands on the world (judges, base, zoo) carries this name and is refused where it
differs; `tests/world/golden.npz` holds pictures that must not change while the name stays.
"""

WORLD = "world-1"
