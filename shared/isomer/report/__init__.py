"""HTML pages: each one file that needs no network. All share one look, and are made of the same blocks.

    document.py        a page from its title and sections; it says how to use them
    blocks.py          what a section may hold; blocks.html.j2 draws it, style.css dresses it
    gallery.py         the sections about a split's pictures and what was found in them (thresholds.py, thumbnails.py)
    evidence.py        blocks that several pages show
    words.py           numbers and names for people

    comparison_page    a dataset's models against each other: collect.py reads the data volume, side_by_side.py writes
                       pictures as files
    sweep_page         a sweep's runs against each other
    dataset_page       a dataset's own pictures and boxes: statistics.py counts, sheet.py chooses pictures

In the browser: page.js (theme, sorting), curves.js (charts), gallery.js (pictures, threshold). vendor/ holds uPlot
1.6.32 (MIT, https://github.com/leeoniya/uPlot), unchanged, which draws the curves.
"""
