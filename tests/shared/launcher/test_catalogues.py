"""The verbs models and weights, on two made-up frameworks: what they list, and what is asked of the tools' image."""

from __future__ import annotations

import json

import pytest
from invoke import Exit, MockContext

import tasks
from isomer.errors import UserError
from launcher import catalogues, project

RED = """
[small]
title = "Small"
size = 320
parameters = 3_440_060
gflops = 0.583
mAP = 0.213
source = "https://models.example.org/list"
paper = "https://papers.example.org/1"
[small.weights.coco]
url = "https://models.example.org/small-a79551df.pth"
sha256 = "a79551df"
licence = "BSD-3-Clause"
[small.weights.imagenet]
url = "https://models.example.org/backbone.h5"
md5 = "0123456789abcdef0123456789abcdef"
licence = "Apache-2.0"
"""
BLUE = """
[large]
title = "Large"
size = 640
parameters = 34_000_000
gflops = 97.0
source = "https://models.example.org/list"
paper = "https://papers.example.org/2"
[large.weights.imagenet]
url = "https://models.example.org/large.tar.gz"
licence = "Apache-2.0"
[bare]
title = "Bare"
size = 192
parameters = 1_000_000
gflops = 0.1
source = "https://models.example.org/list"
paper = "https://papers.example.org/3"
"""


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    """Images red and blue with catalogues, and tools without."""
    for name, text in (("red", RED), ("blue", BLUE), ("tools", None)):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").touch()
        if text:
            (folder / "models.toml").write_text(text)
    monkeypatch.setattr(project, "IMAGES", tmp_path / "images")


@pytest.fixture
def fetched(monkeypatch):
    """The arguments of the step that would fetch."""
    steps = []
    monkeypatch.setattr("launcher.engines.choose", lambda _: None)
    monkeypatch.setattr("launcher.steps.run", lambda _engine, step: steps.append(step))
    return steps


def call(verb: str, **words) -> None:
    tasks.namespace[verb](MockContext(), **words)


def test_models_of_every_image_that_has_a_catalogue(data, capsys):
    (data / "weights").mkdir(parents=True)
    (data / "weights" / "backbone.h5").touch()
    call("models", json="-")
    found = json.loads(capsys.readouterr().out)
    assert [(item["framework"], item["name"]) for item in found] == [
        ("blue", "large"),
        ("blue", "bare"),
        ("red", "small"),
    ]
    small = found[2]
    assert (small["parameters"], small["gflops"], small["mAP"], small["size"]) == (3_440_060, 0.583, 0.213, 320)
    assert [(word, item["licence"], item["fetched"]) for word, item in small["weights"].items()] == [
        ("coco", "BSD-3-Clause", False),
        ("imagenet", "Apache-2.0", True),
    ]
    call("models")
    said = capsys.readouterr().out
    assert "3.4 M" in said and "0.213" in said and "imagenet (Apache-2.0), here" in said
    assert "https://models.example.org/list" in said


def test_all_weights_with_their_checksums(data, fetched):
    call("weights")
    (step,) = fetched
    assert (step.image, step.argv[0], step.network) == ("onnx", "weights.py", True)
    assert list(step.argv[2::2]) == [
        "https://models.example.org/large.tar.gz",
        "https://models.example.org/small-a79551df.pth#sha256=a79551df",
        "https://models.example.org/backbone.h5#md5=0123456789abcdef0123456789abcdef",
    ]


def test_some_weights(data, fetched):
    call("weights", framework="red", kind="coco", mirror="http://127.0.0.1:8/copy")
    call("weights", model=["large"])
    call("weights", kind="imagenet", framework="red,blue")
    assert [len([word for word in step.argv if word == "--url"]) for step in fetched] == [1, 1, 2]
    assert fetched[0].argv[-2:] == ("--mirror", "http://127.0.0.1:8/copy")


def test_what_is_here_is_listed_without_an_engine(data, capsys):
    (data / "weights").mkdir(parents=True)
    for name in ("backbone.h5", "mine.pth", "backbone.h5.sha256", "small-a79551df.pth.part"):
        (data / "weights" / name).write_text("c0ffee  backbone.h5\n")
    call("weights", list=True)
    said = capsys.readouterr().out
    assert "c0ffee" in said and "mine.pth" in said and ".part" not in said
    call("weights", json="-")
    found = {item["file"]: item for item in json.loads(capsys.readouterr().out)}
    assert list(found) == ["large.tar.gz", "small-a79551df.pth", "backbone.h5", "mine.pth"]
    assert [item["fetched"] for item in found.values()] == [False, False, True, True]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"framework": "green"}, "unknown framework 'green'. Known: blue, red"),
        ({"framework": "blue", "model": ["small"]}, "unknown --model 'small'. Known: bare, large"),
        ({"model": ["smal"]}, "did you mean 'small'?"),
        ({"model": ["bare"]}, "--model bare: no weights are published for it"),
        ({"model": ["large"], "kind": "coco"}, "--model large: no coco weights are published for it"),
        ({"framework": "blue", "kind": "coco"}, "no such weights are published"),
        ({"kind": "voc"}, "--kind: 'voc' is not one of coco, imagenet"),
    ],
)
def test_what_is_not_published_is_said_before_anything_runs(data, fetched, words, says):
    with pytest.raises(Exit) as stopped:
        call("weights", **words)
    assert stopped.value.code == 2 and says in stopped.value.message
    assert fetched == []


@pytest.mark.parametrize(
    ("framework", "model", "weights", "says"),
    [
        ("blue", "small", None, "blue: unknown --model 'small'. Known: bare, large; --frameworks names"),
        ("blue", None, "coco", "--weights coco: none are published for blue's large"),
        ("red", "small", "coco", "not fetched yet; ./inv weights --model small --kind coco"),
        ("red", "small", "imagenet", None),
        ("red", None, "mine.pth", None),
        ("tools", "anything", "coco", None),
    ],
)
def test_what_a_training_would_refuse_is_known_before(data, framework, model, weights, says):
    (data / "weights").mkdir(parents=True)
    (data / "weights" / "backbone.h5").touch()
    if says is None:
        catalogues.check_trainable(framework, model, weights)
        return
    with pytest.raises(UserError) as refused:
        catalogues.check_trainable(framework, model, weights)
    assert says in str(refused.value)
