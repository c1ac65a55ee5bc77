"""Fetching labelled pictures from the hosts of public datasets: files kept in the data volume, and what to import.

`openimages`, `coco` and `archive` know one source each and make of it a `fetched.Fetched`; `parallel` fetches many
pictures, by `isomer.fetching`.
"""
