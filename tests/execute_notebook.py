"""Executes a notebook's text in a kernel of the image whose Python runs this: ENVIRONMENT IMAGE SOURCE.

Fails as the first cell that fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from isomer import notebooks


def main() -> None:
    environment, image, source = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    notebooks.use(environment)
    import jupytext
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:
        notebook = notebooks.lay_out(source, Path(folder) / "notebooks")
        os.environ.update(notebooks.settings(environment, image, Path(folder)))
        made = jupytext.read(notebook)
        NotebookClient(made, timeout=600).execute()
    cells = [cell for cell in made.cells if cell.cell_type == "code"]
    print("".join(output.get("text", "") for cell in cells for output in cell.outputs))


if __name__ == "__main__":
    main()
