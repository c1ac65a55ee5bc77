"""HTML pages of a dataset: each one file that needs no network.

template.py renders base.html.j2 and what extends it, with styles and scripts inside. vendor/ holds uPlot 1.6.32 (MIT,
https://github.com/leeoniya/uPlot), unchanged, which draws the curves.

The report on models: collect.py reads the data volume, pictures.py chooses and embeds test pictures (side_by_side.py
writes them as files too), page.py renders page.html.j2.
The page about the data: statistics.py counts, sheet.py chooses and embeds pictures, dataset_page.py renders
dataset.html.j2.
"""
