"""Fetching files: pictures and archives into downloads/, published weights into weights/ of the data volume.

`fetcher` gives one file, `transfer` brings it, `published` holds it against what its host says of it.
"""
