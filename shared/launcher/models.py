"""`./inv models`: what --model can be, with what is published of it."""

from __future__ import annotations

from dataclasses import asdict

from isomer import answers
from isomer.catalogue import Model, Pretrained
from launcher import catalogues, project, tables
from launcher.verbs import Parsed


def run(given: Parsed) -> None:
    listed = [
        (image, model) for image, models in catalogues.models(catalogues.frameworks()).items() for model in models
    ]
    if given.flags.json:
        answers.give(given.flags.json, [as_json(image, model) for image, model in listed])
        return
    headings = ("framework", "model", "title", "input", "parameters", "GFLOPs", "mAP", "weights", "paper")
    rows = [
        (
            image,
            model.name,
            model.title,
            f"{model.size}",
            f"{model.parameters / 1e6:.1f} M",
            f"{model.gflops:.2f}",
            tables.figure(model.mAP),
            "\n".join(_weights(model)) or "none published",
            model.paper.removeprefix("https://"),
        )
        for image, model in listed
    ]
    tables.show(headings, rows, right=("input", "parameters", "GFLOPs", "mAP"), optional=("title", "paper"))
    print("The first of each framework is what --model is when it is not given.")
    print("GFLOPs: billions of multiply-adds at that input. mAP: COCO val2017, as published, by the coco weights:")
    for source in dict.fromkeys(model.source for _, model in listed if model.mAP is not None):
        print(f"  {source}")
    print("./inv weights --model NAME fetches weights that are not here.")


def as_json(image: str, model: Model) -> dict:
    """A model as programs want it: its catalogue's entry, and of each file of weights whether it is here."""
    weights = {
        word: {**asdict(file), "file": file.file_name, "fetched": _is_here(file)}
        for word, file in model.weights.items()
    }
    return {"framework": image, **asdict(model), "weights": weights}


def _weights(model: Model) -> list[str]:
    return [
        f"{word} ({file.licence}), {'here' if _is_here(file) else 'not fetched'}"
        for word, file in model.weights.items()
    ]


def _is_here(file: Pretrained) -> bool:
    return (project.volume().weights / file.file_name).is_file()
