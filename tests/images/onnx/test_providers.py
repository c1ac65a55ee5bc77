"""Providers: who computed is read from a run, and what is missing is said."""

import numpy as np
import onnx
import onnxruntime
import providers
import pytest
import toy

from isomer.contract import Thresholds
from isomer.errors import UserError
from isomer.graph.assemble import assemble


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    core = toy.core_model()
    return assemble(core, toy.core_json(core.SerializeToString()), "toy", Thresholds())


PICTURES = [np.random.default_rng(0).integers(0, 256, (1, 60, 80, 3), dtype=np.uint8)]


def test_every_node_has_the_provider_that_computed_it(model):
    (ran,) = providers.compare(model, ["cpu"], PICTURES)
    assert ran.why_not is None and ran.gap == 0 and ran.p50_ms > 0
    assert set(ran.nodes) == {providers.CPU}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[providers.CPU])
    assert 10 < ran.nodes[providers.CPU] <= len(model.graph.node) and session.get_providers() == [providers.CPU]


def test_a_provider_that_is_not_there_is_not_replaced(model):
    absent = [
        name for name, (full, _) in providers.PROVIDERS.items() if full not in onnxruntime.get_available_providers()
    ]
    assert absent, "no build of ONNX Runtime has them all"
    ran = list(providers.compare(model, ["cpu", absent[0]], PICTURES))
    assert "built without" in ran[1].why_not and ran[1].nodes == {} and ran[1].p50_ms is None
    providers.require_present(ran)
    with pytest.raises(UserError, match=f"{absent[0]}: not used"):
        providers.require_present(ran[1:])


def test_an_unknown_provider_lists_the_known():
    with pytest.raises(UserError, match=r"did you mean \'cuda\'\? Known: cpu, cuda, openvino, tensorrt"):
        providers.parse("cpu,cudaa")
