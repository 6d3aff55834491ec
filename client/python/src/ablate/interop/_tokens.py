"""Whether a library read the tokens that the server read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ablate.scan import Scan


def check_tokens(scan: Scan, tokens: Any, prompt: int = 0) -> None:
    """Whether `tokens` ([T] or [1, T], integers; a tensor will do) are those of the scan's prompt: ValueError if not.

    The usual difference is a BOS token in front: TransformerLens puts one there, Hugging Face and nnsight do not.

    >>> from ablate.interop import transformer_lens as tl
    >>> scan = client.scan("Rome is in", layers=5, **tl.scan_options())
    >>> theirs = [token.id for token in client.tokenize("Rome is in", prepend_bos=True)]  # or: model.to_tokens(...)
    >>> tl.check_tokens(scan, [theirs])
    """
    theirs = np.asarray(tokens.tolist() if hasattr(tokens, "tolist") else tokens)
    theirs = theirs[0] if theirs.ndim == 2 and len(theirs) == 1 else theirs
    ours = np.array([token.id for token in scan.prompts[prompt].tokens])
    if theirs.ndim != 1:
        raise ValueError(f"tokens: expected one prompt's, [T] or [1, T], got shape {list(theirs.shape)}")
    if np.array_equal(theirs, ours):
        return
    hint = ""
    if np.array_equal(theirs[1:], ours):
        hint = "; theirs begin with one more, as BOS: scan with prepend_bos=True"
    elif np.array_equal(theirs, ours[1:]):
        hint = "; ours begin with one more, as BOS: scan with prepend_bos=False"
    raise ValueError(
        f"tokens of prompt {prompt} differ: the scan's are {ours.tolist()}, theirs {theirs.tolist()}{hint}"
    )
