"""ONNX Runtime's execution providers: which are present, and which of them really computed what.

ONNX Runtime gives to the CPU whatever a provider cannot compute, and everything where the provider's libraries are
missing, without an error. So nothing is believed: its own profile of a run says who computed each node.
https://onnxruntime.ai/docs/execution-providers/
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import operators
from session import CPU, CUDA, ERRORS, load_cuda, run, sees_gpu

from isomer import contract
from isomer.errors import UserError, chosen
from isomer.graph.parts import RAW, has_raw, with_raw_outputs

# `use_tf32`: with it a GPU keeps three digits of ten
PROVIDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cpu": (CPU, {}),
    "cuda": (CUDA, {"use_tf32": 0}),
    "tensorrt": ("TensorrtExecutionProvider", {}),
    "openvino": ("OpenVINOExecutionProvider", {}),
}
OF_NVIDIA = ("cuda", "tensorrt")
TIMED = 20  # runs
WARM_UP = 3


@dataclass(frozen=True)
class Ran:
    """What a provider did with a model.

    Attributes:
        provider: the word of --providers.
        why_not: None where it computed; else why it is not present.
        nodes: how many nodes each of ONNX Runtime's providers computed, by its name.
        gap: largest |Δ| of the raw outputs (of scores and boxes where there are none) to those of the CPU.
        p50_ms: of a batch of one, milliseconds.
    """

    provider: str
    why_not: str | None = None
    nodes: dict[str, int] = field(default_factory=dict)
    gap: float | None = None
    p50_ms: float | None = None

    def __str__(self) -> str:
        if self.why_not is not None:
            return f"{self.provider}: not used, {self.why_not}"
        nodes = ", ".join(f"{count} nodes by {name}" for name, count in self.nodes.items())
        return f"{self.provider}: {nodes}; |Δ| to the CPU {self.gap:.2g}; {self.p50_ms:.1f} ms"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(words: str) -> list[str]:
    """`--providers`: names with commas.

    Raises:
        UserError: one is not known.
    """
    return chosen("--providers", words, PROVIDERS)


def compare(model: onnx.ModelProto, names: Iterable[str], pictures: list[np.ndarray]) -> Iterator[Ran]:
    """A model by each of the providers, on pictures uint8 [1, height, width, 3] as the model takes them."""
    model = with_raw_outputs(model) if has_raw(model) else model
    data = model.SerializeToString()
    truth = [_compared(open_on(data, "cpu"), picture) for picture in pictures]
    for name in names:
        why_not = absent(data, name)
        if why_not is not None:
            yield Ran(name, why_not)
            continue
        with tempfile.TemporaryDirectory() as folder:
            session = open_on(data, name, profile=Path(folder))
            found = [_compared(session, picture) for picture in pictures]
            nodes = operators.providers(operators.kernels(Path(session.end_profiling())))
        gaps = [
            np.abs(one - two).max(initial=0)
            for ours, theirs in zip(found, truth, strict=True)
            for one, two in zip(ours, theirs, strict=True)
        ]
        yield Ran(name, None, nodes, float(max(gaps)), _p50(open_on(data, name), pictures[0]))


def absent(data: bytes, name: str) -> str | None:
    """Why a provider cannot be used here; None where it can."""
    provider, _ = PROVIDERS[name]
    available = onnxruntime.get_available_providers()
    if provider not in available:
        return (
            f"this ONNX Runtime {onnxruntime.__version__} was built without {provider} (it has {', '.join(available)})"
        )
    if name in OF_NVIDIA and not sees_gpu():
        return f"{provider}: the NVIDIA driver shows no GPU here (see doctor)"
    try:
        session = open_on(data, name)
    except ERRORS as error:
        return " ".join(str(error).split())
    if provider not in session.get_providers():
        return f"{provider} could not start: its libraries or its device are missing (see doctor)"
    return None


def open_on(
    data: bytes, name: str, threads: int | None = None, profile: Path | None = None, *, alternating: bool = False
) -> onnxruntime.InferenceSession:
    """A session on one of `PROVIDERS`, with the CPU for what that one cannot compute.

    Args:
        threads: for the operators on the CPU; None leaves it to ONNX Runtime.
        profile: folder that the session's profile is written into.
        alternating: its threads stop waiting for work when a run ends, which would take another session's processor.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    if alternating:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "profile")
    if name in OF_NVIDIA:
        load_cuda()
    wanted = [PROVIDERS[name], PROVIDERS["cpu"]] if name != "cpu" else [PROVIDERS["cpu"]]
    return onnxruntime.InferenceSession(data, options, providers=wanted)


def _compared(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> list[np.ndarray]:
    """The outputs that providers must agree in: before NMS, where near-ties have no order, if the model has them."""
    outputs = dict(
        zip([item.name for item in session.get_outputs()], run(session, **{contract.INPUT: pixels}), strict=True)
    )
    return [outputs[name] for name in (RAW if set(RAW) <= outputs.keys() else (contract.BOXES, contract.SCORES))]


def _p50(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> float:
    seconds = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        session.run(None, {contract.INPUT: pixels})
        seconds.append(time.perf_counter() - start)
    return round(float(np.median(seconds[WARM_UP:])) * 1000, 3)


def require_present(ran: list[Ran]) -> None:
    """Raises UserError where none of the providers that were asked for is present."""
    if all(item.why_not is not None for item in ran):
        raise UserError("--providers: " + "; ".join(str(item) for item in ran))
