"""The catalogues in images/NAME/models.toml: whole, and without two files of one name."""

from __future__ import annotations

import re

import pytest

from isomer import catalogue
from isomer.catalogue import Model, Pretrained
from isomer.flags import KINDS
from launcher import project

EVERY = [(image, model) for image in project.frameworks() for model in catalogue.load(project.IMAGES / image).values()]


def files() -> list[Pretrained]:
    return [file for _, model in EVERY for file in model.weights.values()]


@pytest.mark.parametrize("model", [model for _, model in EVERY], ids=lambda model: model.name)
def test_an_entry_is_whole(model: Model):
    assert model.title and model.size >= 96 and model.parameters > 100_000 and model.gflops > 0
    assert model.source.startswith("https://") and model.paper.startswith("https://")
    assert model.mAP is None or 0 < model.mAP < 1
    assert set(model.weights) <= set(KINDS)


def test_every_framework_has_a_default_model():
    assert {image for image, _ in EVERY} == set(project.frameworks())


def test_files_of_weights_have_names_of_their_own():
    addresses = {}
    for file in files():
        assert file.url.startswith("https://") and re.fullmatch(r"[\w.-]+", file.file_name) and file.licence, file
        assert addresses.setdefault(file.file_name, file.url) == file.url


def test_checksums_are_ones():
    for file in files():
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{8,64}", file.sha256), file
        assert file.md5 is None or re.fullmatch(r"[0-9a-f]{32}", file.md5), file
