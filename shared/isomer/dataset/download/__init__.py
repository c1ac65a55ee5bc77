"""Fetching labelled pictures from the hosts of public datasets: files kept in the data volume, and what to import.

`fetching` gives one file, `transfer` brings it, `parallel` many pictures; `openimages`, `coco` and `archive` know one
source each and make of it a `fetched.Fetched`.
"""
