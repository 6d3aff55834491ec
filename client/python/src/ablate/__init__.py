"""Ablate: what does each attention head of a GPT-2 do to a prediction?"""

from __future__ import annotations

from ablate._version import __version__

__all__ = ["__version__"]
