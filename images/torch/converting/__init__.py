"""Models made elsewhere that torch opens: what a file holds, whose network it is, and its core."""
