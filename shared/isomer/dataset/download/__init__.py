"""Fetching labelled pictures from the hosts of public datasets: files kept in the data volume, and what to import.

`fetching` fetches one file so that it can be trusted and gone on with, `parallel` many pictures; `openimages`, `coco`
and `archive` know one source each and give a `source.Fetched`.
"""
