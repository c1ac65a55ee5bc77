"""Quiets TensorFlow before a test imports it."""

from __future__ import annotations

import quiet  # noqa: F401
