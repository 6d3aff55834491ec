"""Bridges to the libraries that labs use: their names of heads, their habits, their shapes. None need be installed.

`ablate.interop.transformer_lens` and `ablate.interop.nnsight` have one set of names: `scan_options` (what makes a scan
mean what the library's own loop does), `check_tokens` (whether both read the same tokens), where a head is in the
library's model, and arrays as its patching functions return them. `ablate.interop.labels` converts labels.
"""

from __future__ import annotations

from ablate.interop import labels

__all__ = ["labels"]
