"""The catalogues of all images: which models there are, and which of their published weights are in the data volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from isomer import catalogue
from isomer.catalogue import Model, Pretrained
from isomer.errors import UserError, known
from isomer.flags import KINDS
from launcher import project


@dataclass(frozen=True)
class Published:
    """A published file of weights: whose, and by which word of --weights."""

    framework: str
    model: Model
    kind: str
    file: Pretrained

    @property
    def path(self) -> Path:
        return project.volume().weights / self.file.file_name

    @property
    def is_here(self) -> bool:
        return self.path.is_file()


def frameworks() -> list[str]:
    """The images with a catalogue: the folder is the list."""
    return [name for name in project.images() if (project.IMAGES / name / catalogue.FILE).is_file()]


def models(names: Iterable[str]) -> dict[str, list[Model]]:
    """The models of some images, by image."""
    return {name: list(catalogue.load(project.IMAGES / name).values()) for name in names}


def published(framework: str | None, wanted: Iterable[str], kind: str | None) -> list[Published]:
    """The published weights that the flags of the verb weights name.

    Raises:
        UserError: an unknown framework or model, or a model without published weights of that kind.
    """
    by_image = models(project.chosen("framework", framework, frameworks()))
    wanted = tuple(wanted)
    found_models = {model.name for listed in by_image.values() for model in listed}
    for name in wanted:
        if name not in found_models:
            raise known("--model", name, found_models)
    found = [
        Published(image, model, word, file)
        for image, listed in by_image.items()
        for model in listed
        if not wanted or model.name in wanted
        for word, file in model.weights.items()
        if kind in (None, word)
    ]
    for name in wanted:
        if all(item.model.name != name for item in found):
            raise UserError(f"--model {name}: no {f'{kind} ' if kind else ''}weights are published for it")
    return found


def model(framework: str, name: str | None, weights: str | None) -> Model:
    """The model that --model means in a framework.

    Raises:
        UserError: there is no such model.
    """
    return catalogue.choose(catalogue.load(project.IMAGES / framework), name, weights)


def check_trainable(framework: str, model: str | None, weights: str | None) -> None:
    """Refuse before anything starts what an image would refuse when its turn comes.

    Args:
        model, weights: what --model and --weights say.

    Raises:
        UserError: the image has no such model, or no such published weights for it, or they are not fetched.
    """
    if framework not in frameworks():
        return
    try:
        chosen = catalogue.choose(catalogue.load(project.IMAGES / framework), model)
    except UserError as error:
        raise UserError(f"{framework}: {error}; --frameworks names those that take part") from None
    if weights not in KINDS:
        return
    if weights not in chosen.weights:
        raise UserError(f"--weights {weights}: none are published for {framework}'s {chosen.name}")
    if not Published(framework, chosen, weights, chosen.weights[weights]).is_here:
        raise UserError(f"--weights {weights}: not fetched yet; ./inv weights --model {chosen.name} --kind {weights}")
