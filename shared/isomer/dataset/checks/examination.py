"""All checks of a subject, one after the other, and where in its files each finding stands."""

from __future__ import annotations

from isomer.dataset.checks import boxes, classes, label_maps, pictures, records, splits
from isomer.dataset.checks.findings import Findings
from isomer.dataset.checks.locate import Locator
from isomer.dataset.checks.subject import Subject

CHECKS = (records, pictures, boxes, classes, label_maps, splits)


def check(subject: Subject) -> Findings:
    """Everything there is to say about a subject."""
    found = [finding for module in CHECKS for finding in module.check(subject)]
    locator = Locator(subject.tree)
    for finding in found:
        if finding.box is not None:
            entry, box = subject.box(finding.box)
            size = subject.size_of(int(subject.boxes.entry[finding.box]))
            last = finding.code in ("box-duplicate", "box-two-classes")
            finding.line, record = locator.find(entry.note, box, size, last=last)
            finding.record = record or finding.record
        elif finding.record and not finding.line:
            finding.line = locator.find_row(finding.file, finding.record)
    return Findings(subject.looked_at(), found)
