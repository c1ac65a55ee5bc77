"""COCO's classes, as the published detectors know them. https://cocodataset.org/#download

The 80 classes have ids up to 90: ten ids were never used in the published annotations. Standard library only.
"""

from __future__ import annotations

# by id, from 1; a dash is an id that was never used
_BY_ID = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
fire hydrant, -, stop sign, parking meter, bench, bird, cat, dog, horse, sheep,
cow, elephant, bear, zebra, giraffe, -, backpack, umbrella, -, -,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
skateboard, surfboard, tennis racket, bottle, -, wine glass, cup, fork, knife, spoon,
bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut,
cake, chair, couch, potted plant, bed, -, dining table, -, -, toilet,
-, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, -, book, clock, vase, scissors, teddy bear, hair drier, toothbrush
"""

BY_ID = tuple(None if name == "-" else name for name in (word.strip() for word in _BY_ID.split(",")))
"""The name of id 1, of id 2 …; None where there is no such class: what the columns of a published detector mean."""

CLASSES = tuple(name for name in BY_ID if name is not None)
"""The 80 names, in the order of their ids."""
