"""The guide's table of formats is held against the modules that read them."""

import re


def test_the_guide_names_every_format(root):
    modules = (root / "shared/isomer/dataset/formats").glob("[!_]*.py")
    names = {re.search(r'^NAME = "(\w+)"$', module.read_text(), re.MULTILINE)[1] for module in modules}
    table = (root / "images/onnx/README.md").read_text().partition("## Formats")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == names
