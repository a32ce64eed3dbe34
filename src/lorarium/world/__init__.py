"""The drawn world: subjects x styles x views, any pair of them renderable."""
