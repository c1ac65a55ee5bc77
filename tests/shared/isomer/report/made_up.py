"""A data volume as a pipeline leaves it, made up: drawn pictures, two runs, their gates, a comparison."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np

from isomer import files, parity
from isomer.dataset import canonical, shapes
from isomer.dataset.canonical import Picture, Split
from isomer.evaluation import evaluate
from isomer.parity import Measured
from isomer.volume import Volume


def make_volume(root: Path, pictures: int = 24) -> Volume:
    volume = Volume(root)
    folder = volume.datasets / "toys"
    (folder / "images").mkdir(parents=True)
    splits = {"train": 2, "val": 2, "test": pictures}
    made = {split: tuple(_draw(folder, split, index) for index in range(count)) for split, count in splits.items()}
    canonical.write(folder, shapes.CLASSES, made, {"source": "made up for the tests", "licence": "CC0-1.0"})
    return volume


def add_everything(volume: Volume) -> None:
    add_run(volume, "torch", noise=2.5)
    add_run(volume, "tf", noise=4)
    compare(volume, {"torch": 2.5, "tf": 4})


def add_run(volume: Volume, framework: str, noise: float) -> None:
    """A finished run with its metrics and its gate."""
    dataset = canonical.load(volume.dataset("toys"))
    folder = volume.runs / f"toys-{framework}"
    config = {"framework": framework, "data": "toys", "size": 160, "epochs": 14, "batch": 16, "seed": 0, "lr": None}
    config |= {"dataset_sha256": dataset.sha256, "recipe": {"optimizer": "Adam", "schedule": "cosine"}}
    files.write_json(folder / "config.json", config)
    provenance = {"dataset": "toys", "dataset_sha256": dataset.sha256, "git_revision": "ab" * 20, "engine": "venv"}
    provenance |= {"lock_sha256": "cd" * 32, "hardware": {"cpu": "A CPU", "cores": 2}}
    record = {"run": folder.name, "state": "done", "started": "2026-01-01T10:00:00+00:00", "steps": 525}
    validated = evaluate(dataset.split("val"), guess(dataset.split("val"), noise)).to_json()
    record |= {"weights_sha256": "ef" * 32, "metrics": validated}
    files.write_json(folder / "run.json", record | {"provenance": provenance})
    files.write_json(folder / "native" / "native.json", {"split": "test", "weights_sha256": "ef" * 32})
    files.write_json(folder / "native" / "detections.json", guess(dataset.split("test"), noise))
    rng = np.random.default_rng(0)
    with (folder / "metrics.jsonl").open("w") as stream:
        for step in range(10, 530, 10):
            loss = 3 * np.exp(-step / 150) + 0.4 + rng.normal(0, 0.06)
            line = {"step": step, "epoch": step / 37.5, "split": "train", "loss": loss, "lr": 1e-3, "images_per_s": 40}
            stream.write(json.dumps(line) + "\n")
            if step % 130 == 0:
                quality = (1 - np.exp(-step / 150)) / (1 + noise / 20)
                line = {"step": step, "epoch": step / 37.5, "split": "val", "mAP": quality * 0.8, "AP50": quality}
                stream.write(json.dumps(line) + "\n")
    checks = [
        {"level": level, "name": name, "value": value, "limit": limit, "passed": True, "detail": detail}
        for level, name, value, limit, detail in (
            (1, "contract", None, None, ""),
            (2, "raw boxes", 3.1e-7, 1e-4, "probe 300x300x1"),
            (2, "raw scores", 4.2e-7, 1e-4, "probe 540x960x5"),
            (3, "detections unmatched", 0, 0, "of 813"),
            (4, "mAP", 0.0, 0.002, ""),
        )
    ]
    metrics = {"native": {"mAP": 0.71234}, "onnx": {"mAP": 0.71231}}
    files.write_json(folder / "gate.json", {"passed": True, "model": folder.name, "checks": checks, "metrics": metrics})


def compare(volume: Volume, noises: dict[str, float], max_gap: float | None = 0.05) -> None:
    """Published models (any bytes will do) and their comparison."""
    dataset = canonical.load(volume.dataset("toys"))
    split = dataset.split("test")
    models = []
    for framework, noise in noises.items():
        path = volume.models / f"toys-{framework}.onnx"
        files.write_bytes(path, framework.encode())
        models.append(
            Measured(
                name=path.stem,
                framework=framework,
                architecture="a detector",
                input_size="160",
                classes=dataset.classes,
                sha256=files.sha256_of_file(path),
                bytes=9_400_000,
                latency_ms={"p50": 7.3 + noise, "p95": 9.1 + noise},
                results=guess(split, noise),
            )
        )
    parity.write(volume.reports / "toys", parity.compare(dataset, split, models, max_gap, 0.3), models)


def guess(split: Split, noise: float) -> list[dict]:
    """The ground truth, off by so many pixels; some boxes missed, some of nothing."""
    rng = np.random.default_rng(int(noise * 10))
    results = []
    for picture in split.pictures:
        boxes = [box for box in picture.boxes if rng.random() > 0.02 * noise]
        for box in boxes:
            x, y, width, height = np.array([box.x, box.y, box.width, box.height]) + rng.normal(0, noise, 4)
            category = box.category if rng.random() > 0.04 else 1 + box.category % len(split.classes)
            bbox = [x, y, max(width, 4), max(height, 4)]
            results.append(
                {"image_id": picture.id, "category_id": category, "score": rng.uniform(0.4, 1), "bbox": bbox}
            )
        for _ in range(rng.poisson(0.3)):
            bbox = [*rng.uniform(0, 100, 2), *rng.uniform(15, 60, 2)]
            results.append({"image_id": picture.id, "category_id": 1, "score": rng.uniform(0.02, 0.5), "bbox": bbox})
    return results


def _draw(folder: Path, split: str, index: int) -> Picture:
    drawing = shapes.draw(0, split, index)
    file_name = f"{split}-{index}.jpg"
    (folder / "images" / file_name).write_bytes(drawing.to_jpeg())
    height, width, _ = drawing.pixels.shape
    return Picture(index + 1, file_name, width, height, drawing.boxes)


def text(html: str) -> str:
    """What a reader sees of a page, in one line; the pictures are drawn by the browser."""
    body = re.sub(r"<(script|style|title).*?</\1>", "", html[html.index("<body>") :], flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def charts(html: str) -> dict[str, dict]:
    """The page's charts by their titles."""
    found = [json.loads(unescape(value)) for value in re.findall(r'data-chart="([^"]*)"', html)]
    return {chart["title"]: chart for chart in found}


def gallery(html: str) -> dict:
    """What the page knows of its pictures."""
    return json.loads(re.search(r'id="gallery-data">(.*?)</script>', html)[1])
