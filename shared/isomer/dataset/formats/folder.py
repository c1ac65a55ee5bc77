"""A plain folder of pictures, without annotations: all negatives, for predictions and pseudo-labels."""

from __future__ import annotations

from pathlib import PurePosixPath

from isomer.dataset.source import Reading, SourcePicture, Tree, split_of

NAME = "folder"
ACCEPTS = "pictures alone, as pictures without boxes; taken by itself only where no other file could hold annotations"
WITHOUT_ANNOTATIONS = ("readme", "licen", "copying", "thumbs.db", "desktop.ini", "origin", "about", "notice")


def evidence(tree: Tree) -> str | None:
    return f"{len(tree.pictures)} pictures and no annotations" if tree.pictures else None


def read(tree: Tree) -> Reading:
    """Every picture in the tree; those in no split's folder are `test`: there is nothing to train on."""
    return Reading([SourcePicture(name, (name,), None, (), split_of(name) or "test") for name in tree.pictures])


def is_alone(tree: Tree) -> bool:
    """Whether nothing but pictures is there, and files that surely hold no annotations."""
    others = set(tree.files) - set(tree.pictures)
    return all(PurePosixPath(name).name.casefold().startswith(WITHOUT_ANNOTATIONS) for name in others)
