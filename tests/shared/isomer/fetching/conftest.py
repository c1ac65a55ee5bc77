"""A host on this machine, and what fetches from it."""

from local_host import fetcher, host

__all__ = ["fetcher", "host"]
