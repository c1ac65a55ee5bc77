"""What computes, on machines that are not at hand: what TensorFlow is told of GPUs that are said to be there."""

from __future__ import annotations

import device
import pytest
import tensorflow as tf
from cluster import Place

from isomer.errors import UserError

GPUS = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(2)]


@pytest.fixture
def machine(monkeypatch):
    """Two GPUs; what TensorFlow is told of them, by the name of its function (which must be one that it has)."""
    told: dict[str, list] = {"visible": [], "growth": []}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: GPUS)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda used, kind: told["visible"].append(used))
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: told["visible"][-1])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, grows: told["growth"].append(gpu))
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": 3, "peak": 5})
    return told


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_gpus_are_taken_where_they_are(machine, wanted):
    assert device.choose(wanted) == "gpu"
    assert machine["visible"] == [GPUS]
    assert machine["growth"] == GPUS
    assert device.memory("gpu") == 3


def test_the_cpu_where_it_is_asked_for(machine):
    assert device.choose("cpu") == "cpu"
    assert machine["visible"] == [[]]
    assert not machine["growth"]
    assert device.memory("cpu") > 1e8  # what this process holds


def test_no_gpu_where_one_is_asked_for(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(UserError, match="--device gpu: TensorFlow sees no GPU"):
        device.choose("gpu")


def test_more_gpus_than_there_are(machine):
    device.choose("gpu")
    with pytest.raises(UserError, match="--devices 3: TensorFlow sees 2 GPUs"):
        device.strategy(Place(devices=3))


@pytest.mark.parametrize(("capability", "policy"), [((9, 0), "mixed_bfloat16"), ((7, 5), "mixed_float16")])
def test_mixed_precision_by_what_the_gpu_has(machine, monkeypatch, capability, policy):
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": capability})
    device.choose("gpu")
    assert device.precision(amp=True) == policy
    assert device.precision(amp=False) == "float32"
