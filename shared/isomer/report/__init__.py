"""The HTML page of a dataset: one file that needs no network.

collect.py reads the data volume, pictures.py chooses and embeds test pictures (side_by_side.py writes them as
files), page.py renders page.html.j2 with style.css and charts.js. vendor/ holds uPlot 1.6.32 (MIT, https://github.com/leeoniya/uPlot), unchanged, which draws
the curves.
"""
