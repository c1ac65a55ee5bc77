"""The page: everything that was measured is on it, and it needs nothing from outside."""

import json
import re
import shutil

import pytest
from made_up import add_run, charts, compare, gallery, text
from PIL import Image

from isomer import files, mistakes, parity
from isomer.dataset import canonical
from isomer.errors import UserError
from isomer.report.collect import collect
from isomer.report.comparison_page import render
from isomer.report.gallery import order
from isomer.report.side_by_side import write_pictures
from isomer.report.words import figure, short


def page(volume) -> str:
    collected = collect(volume, "toys")
    return render(collected, judge(collected))


def judge(collected):
    return [mistakes.judge(collected.split, detector.results) for detector in collected.detectors]


def test_figures_are_those_of_the_comparison(full_volume):
    seen = text(page(full_volume))
    report = parity.read(full_volume.reports / "toys")
    for model in report["models"]:
        for key in ("mAP", "AP50", "AP75", "precision", "recall", "F1"):
            assert f"{model['metrics'][key]:.3f}" in seen
        assert model["sha256"] in seen
        for values in model["metrics"]["per_class"].values():
            assert f"{values['AP50']:.3f}" in seen
    assert f"both {report['agreement'][0]['both']}" in seen
    assert f"AP50 differs by {report['verdict']['gap']:.3f}" in seen
    assert "9.4 MB" in seen
    assert "4.2·10⁻⁷" in seen, "the gate's figures"
    assert "abababababab" in seen, "the git revision"


def test_classes_taken_for_others(full_volume):
    seen = text(page(full_volume))
    counts: dict[tuple[str, str], list[int]] = {}
    models = sorted(parity.read(full_volume.reports / "toys")["models"], key=lambda model: model["name"])
    for place, model in enumerate(models):
        for truth, found, count in model["metrics"]["confusion"]:
            if None not in (truth, found) and truth != found:
                counts.setdefault((truth, found), [0, 0])[place] = count
    assert counts, "the made-up detectors take some for others"
    for (truth, found), (first, second) in counts.items():
        assert f"{truth} taken for {found} {first} {second}" in seen


def test_curves_are_the_logged_ones(full_volume):
    drawn = charts(page(full_volume))
    logged = [json.loads(line) for line in (full_volume.runs / "toys-tf" / "metrics.jsonl").read_text().splitlines()]
    assert drawn["Training loss"]["series"][0]["y"] == [line["loss"] for line in logged if line["split"] == "train"]
    labels = [series["label"] for series in drawn["Validation"]["series"]]
    assert labels == ["tf mAP", "tf AP50", "torch mAP", "torch AP50"]
    assert {"all classes together", "circle", "square", "triangle"} < set(drawn)


def test_figures_at_the_threshold_are_those_of_the_comparison(full_volume):
    seen = gallery(page(full_volume))
    report = parity.read(full_volume.reports / "toys")
    for detector, model in zip(seen["detectors"], sorted(report["models"], key=lambda one: one["name"]), strict=True):
        at = round(100 * report["score_threshold"])
        for category, name in ((0, None), *enumerate(report["classes"], start=1)):
            table = detector["classes"][str(category)]
            metrics = model["metrics"] if name is None else model["metrics"]["per_class"][name]
            assert table["right"][at] / table["shown"][at] == metrics["precision"]
            assert table["right"][at] / table["boxes"] == metrics["recall"]


def test_self_contained(full_volume):
    html = page(full_volume)
    loaded = re.findall(r"""(?:src|href|action)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", html)
    targets = {target for pair in loaded for target in pair if target}
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert len(html) < 5e6


def test_every_picture_is_there_with_all_its_boxes(full_volume):
    seen = gallery(page(full_volume))
    collected = collect(full_volume, "toys")
    assert [picture["name"] for picture in seen["pictures"]] == sorted(
        picture.file_name for picture in collected.split.pictures
    )
    assert sum(len(picture["truth"]) for picture in seen["pictures"]) == sum(
        len(picture.boxes) for picture in collected.split.pictures
    )
    for index, detector in enumerate(collected.detectors):
        above = [one for one in detector.results if one["score"] > seen["floor"]]
        assert sum(len(picture["found"][index]) for picture in seen["pictures"]) == len(above)
    groups = [picture["group"] for picture in sorted(seen["pictures"], key=lambda picture: picture["telling"])]
    assert groups[:12] == ["best"] * 4 + ["typical"] * 4 + ["worst"] * 4


def test_pictures_side_by_side(full_volume):
    collected = collect(full_volume, "toys")
    ordered = order(collected.split, judge(collected), 0.3)
    chosen = [picture for some in ordered.telling.values() for picture in some]
    folder = full_volume.reports / "toys" / "pictures"
    write_pictures(folder, collected.split, chosen[1:], collected.detectors, 0.3)
    write_pictures(folder, collected.split, chosen, collected.detectors, 0.3)
    assert len(list(folder.iterdir())) == 12
    with Image.open(folder / chosen[0].file_name) as image:
        assert image.width > 3 * chosen[0].width
    write_pictures(folder, collected.split, chosen[:2], collected.detectors, 0.3)
    assert len(list(folder.iterdir())) == 2, "those of an earlier report are gone"


def test_failed_comparison_says_why(full_volume):
    compare(full_volume, {"torch": 0.5, "tf": 30})
    seen = text(page(full_volume))
    assert "The models do not agree" in seen
    assert "more than --max-gap 0.05" in seen


def test_one_framework(volume):
    add_run(volume, "torch", noise=2)
    compare(volume, {"torch": 2})
    seen = text(page(volume))
    assert "One model so far" in seen
    assert "toys-torch is the only published model" in seen


def test_run_that_is_not_evaluated_yet(volume):
    add_run(volume, "torch", noise=2)
    folder = volume.runs / "toys-torch"
    (folder / "gate.json").unlink()
    (folder / "run.json").write_text('{"run": "toys-torch", "state": "started"}')
    line = '{"step": 10, "epoch": 0.3, "split": "train", "loss": null, "lr": 0.1}\n{"step": 20, "ep'
    (folder / "metrics.jsonl").write_text(line)
    seen = text(page(volume))
    assert "Nothing is compared yet" in seen
    assert "not finished" in seen


def test_dataset_without_any_run(volume):
    html = page(volume)
    assert "No run of this dataset yet" in text(html)
    assert not gallery(html)["detectors"]


def test_out_of_date_is_said(full_volume):
    (full_volume.models / "toys-tf.onnx").write_bytes(b"another")
    (full_volume.models / "toys-torch.onnx").unlink()
    seen = text(page(full_volume))
    assert "The model toys-tf has changed since it was compared" in seen
    dataset_json = full_volume.datasets / "toys" / "dataset.json"
    files.write_json(dataset_json, json.loads(dataset_json.read_text()) | {"sha256": "0" * 64})
    assert "toys-tf was trained on an earlier version" in text(page(full_volume))


def test_several_runs_of_one_framework_go_by_their_names(full_volume):
    shutil.copytree(full_volume.runs / "toys-tf", full_volume.runs / "longer")
    labels = [subject.label for subject in collect(full_volume, "toys").subjects]
    assert labels == ["longer", "toys-tf", "torch"]


def test_names_are_text_not_html(full_volume):
    folder = full_volume.datasets / "toys"
    for path in (folder / "dataset.json", full_volume.reports / "toys" / "parity.json"):
        path.write_text(path.read_text().replace('"circle"', '"</script><b>1.x"'))
    html = page(full_volume)
    assert "<b>1.x" not in html
    assert "&lt;b&gt;1.x" in html
    assert html.count("</script>") == 2


def test_many_classes(volume):
    folder = volume.datasets / "toys"
    dataset = canonical.load(folder)
    splits = {name: dataset.split(name).pictures for name in canonical.SPLITS}
    classes = (*dataset.classes, *(f"class {number}" for number in range(90)))
    canonical.write(folder, classes, splits, {})
    compare(volume, {"torch": 2, "tf": 3})
    seen = text(page(volume))
    assert "The 40 classes with most boxes of 93" in seen
    assert "triangle" in seen


def test_a_damaged_run_is_passed_over(full_volume):
    (full_volume.runs / "toys-torch" / "config.json").write_text('{"data": ')
    assert [subject.name for subject in collect(full_volume, "toys").subjects] == ["toys-tf", "toys-torch"]


def test_unknown_dataset(volume):
    with pytest.raises(UserError, match="Known: toys"):
        collect(volume, "toy")


def test_numbers_for_people():
    assert figure(3.14159e-7) == "3.1·10⁻⁷"
    assert (figure(0.002), figure(0), figure(None)) == ("0.002", "0", "–")
    assert (short("ab" * 32), short("sha256:" + "ab" * 32), short("main")) == ("abababababab", "abababababab", "main")
