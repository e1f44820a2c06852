"""The checks, a file a category; each is a small function over a `Scene`."""
