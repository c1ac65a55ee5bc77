"""What --weights means: which file, and whether it is there. Nothing is fetched, no framework is loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomer import files
from isomer.catalogue import Model, Pretrained
from isomer.errors import UserError, unknown
from isomer.flags import KINDS
from isomer.run import RunFolder
from isomer.training import trained_weights
from isomer.volume import Volume

NONE = "none"


@dataclass(frozen=True)
class Weights:
    """A file of weights: published (under the word that --weights says), a run's, or a user's own.

    A TensorFlow checkpoint is several files: then `path` is their folder or their common beginning.
    """

    word: str
    path: Path
    published: Pretrained | None = None
    run: RunFolder | None = None

    def to_json(self) -> dict[str, Any]:
        """What run.json says of where the weights come from."""
        return {"weights": self.word, "file": self.path.name, "sha256": _sha256(self.path)}


def find(word: str, model: Model, volume: Volume, framework: str) -> Weights | None:
    """What `--weights` names, for that model; None for `none`.

    Raises:
        UserError: nothing is published under that word for that model, or it was not fetched yet (the message says from
            where to where); there is neither such a file nor such a run; the run is another framework's or another
            model's, or not done.
    """
    if word == NONE:
        return None
    if word in model.weights:
        return Weights(word, _fetched(word, model, volume), published=model.weights[word])
    if word in KINDS:
        others = ", ".join([*model.weights, NONE])
        raise UserError(f"--weights {word}: none are published for {model.name}; there are: {others}, a file, a run")
    path = Path(word)
    if path.is_file():
        return Weights(word, path)
    run = RunFolder(volume.runs / word)
    if (run.path / "config.json").is_file():
        return Weights(word, _best(run, model, framework), run=run)
    if _of_tensorflow(path):
        return Weights(word, path)
    runs = sorted(one.parent.name for one in volume.runs.glob("[!.]*/config.json"))
    choices = [*model.weights, NONE, *runs]
    raise UserError(f"{unknown('--weights', word, choices)} Known: {', '.join(choices)}, or a file that is there")


def _of_tensorflow(path: Path) -> list[Path]:
    """The files of a TensorFlow checkpoint, which is several: `path` is its folder, or what their names begin with."""
    folder, names = (path, "**/*") if path.is_dir() else (path.parent, f"{path.name}.*")
    found = sorted(part for part in folder.glob(names) if part.is_file()) if path.name and folder.is_dir() else []
    return found if any(part.suffix == ".index" for part in found) else []


def _sha256(path: Path) -> str:
    """The hash of a file; of several files, that of their hashes and names, as sha256sum writes them."""
    if path.is_file():
        return files.sha256_of_file(path)
    lines = "".join(f"{files.sha256_of_file(part)}  {part.name}\n" for part in _of_tensorflow(path))
    return hashlib.sha256(lines.encode()).hexdigest()


def _fetched(word: str, model: Model, volume: Volume) -> Path:
    published = model.weights[word]
    path = volume.weights / published.file_name
    if not path.is_file():
        raise UserError(
            f"--weights {word}: {path} is not there, and only `./inv weights --model {model.name}` fetches it; "
            f"where that reaches no host, put {published.url} there yourself"
        )
    return path


def _best(run: RunFolder, model: Model, framework: str) -> Path:
    """The best weights of a finished run."""
    config = run.config()
    wanted = {"framework": framework, "model": model.name}
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise UserError(f"--weights {run.name}: the {key} of that run is {config[key]}, not {value}")
    if run.record().get("state") != "done":
        raise UserError(f"--weights {run.name}: that run is not trained to its end: its own command goes on with it")
    return trained_weights(run)
