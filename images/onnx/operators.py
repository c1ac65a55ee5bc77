"""Where a model's time goes, as ONNX Runtime's own profile of a few runs tells: kinds of operator, head, core, tail."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from isomer.graph.parts import nodes

# What assemble and assemble_whole write before the names of their nodes, and what each belongs to.
PARTS = {
    "head": "head",
    "core": "core",
    "whole": "core",
    "raw": "core",
    "pick": "tail",
    "finish": "tail",
    "tail": "tail",
}
PART = re.compile(rf"(?:^|[/_ ])({'|'.join(PARTS)})/")
SHARED = ("head", "core", "tail")
HOLDERS = ("Loop", "If", "Scan")  # operators whose time holds that of others


@dataclass(frozen=True)
class Spent:
    """Seconds by kind of operator (the busiest first) and by part, as usual in the runs that were profiled.

    parts: None where the nodes' names do not tell: the model was not assembled by Isomer.
    providers: how many nodes each of ONNX Runtime's providers computed.
    """

    kinds: dict[str, float]
    parts: dict[str, float] | None
    providers: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "operators": shares(self.kinds),
            "parts": None if self.parts is None else shares(self.parts),
            "nodes": self.providers,
        }


def shares(seconds: dict[str, float]) -> dict[str, float]:
    """Each value's share of their sum."""
    total = sum(seconds.values()) or 1.0
    return {name: value / total for name, value in seconds.items()}


def read(profile: Path, model: onnx.ModelProto) -> Spent:
    """What a profile says about the runs of a model."""
    events = kernels(profile)
    own: dict[tuple[str, str], list[float]] = {}
    for event, seconds in _own(events):
        own.setdefault((event["name"], event["args"]["op_name"]), []).append(seconds)
    kinds: collections.Counter[str] = collections.Counter()
    parts = dict.fromkeys(SHARED, 0.0)
    for (name, kind), seconds in own.items():
        # not the sum: a first run allocates, and one that is interrupted says nothing about the model
        usual = float(np.median(seconds)) * len(seconds)
        kinds[kind] += usual
        parts[_part(name)] += usual
    known = any(PART.search(node.name) for node in nodes(model.graph))
    return Spent(
        dict(kinds.most_common()),
        parts if known else None,
        providers(events),
    )


def kernels(profile: Path) -> list[dict[str, Any]]:
    """The events of a profile in which a provider computed a node."""
    events = json.loads(profile.read_text())
    return [event for event in events if event.get("cat") == "Node" and event.get("args", {}).get("provider")]


def providers(events: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The number of nodes that each provider computed, the busiest first."""
    by_node = {event["name"]: event["args"]["provider"] for event in events}
    return dict(collections.Counter(by_node.values()).most_common())


def _own(events: Iterable[dict[str, Any]]) -> Iterable[tuple[dict[str, Any], float]]:
    """Each event with its seconds, without those of the events inside: a Loop's profile holds what it runs."""
    open_events: list[list[Any]] = []  # event, seconds left, end
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        end = event["ts"] + event["dur"]
        while open_events and open_events[-1][2] <= event["ts"]:
            finished = open_events.pop()
            yield finished[0], max(finished[1], 0.0)
        # a kernel that begins before another ends but outlasts it runs beside it, not inside
        if open_events and end <= open_events[-1][2] and open_events[-1][0]["args"]["op_name"] in HOLDERS:
            open_events[-1][1] -= event["dur"] / 1e6
        open_events.append([event, event["dur"] / 1e6, end])
    for event, seconds, _ in open_events:
        yield event, max(seconds, 0.0)


def _part(name: str) -> str:
    """The part that a node belongs to; what ONNX Runtime added without a name changes layouts around the core."""
    match = PART.search(name)
    return PARTS[match[1]] if match else "core"
