"""What figures say: names of columns, tokens and prompts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate._means import clusters_of

if TYPE_CHECKING:
    from ablate.scan import Scan

_LONGEST_PROMPT = 60

# A column's name in words, and its unit. {t} and {c}: the target and the contrast.
_METRICS = {
    "target_logit": ("logit of {t}", "logits"),
    "contrast_logit": ("logit of {c}", "logits"),
    "target_logprob": ("log p({t})", "nats"),
    "contrast_logprob": ("log p({c})", "nats"),
    "target_prob": ("p({t})", ""),
    "prob_diff": ("p({t}) - p({c})", ""),
    "logit_diff": ("logit({t}) - logit({c})", "logits"),
    "kl_divergence": ("KL(unedited || ablated)", "nats"),
    "kl_to_clean": ("KL(clean || ablated)", "nats"),
    "entropy": ("entropy", "nats"),
    "target_rank": ("rank of {t}, 0 is top", ""),
    "normalized": ("{m}, 0 as corrupted, 1 as clean", ""),
    "interaction": ("change under both less the sum of each one's", "{u}"),
    "direct_contribution": ("direct contribution to the logit difference", "logits"),
    "direct_effect": ("direct effect on the logit difference", "logits"),
    "direct_effect_live": ("direct effect, final LayerNorm live", "logits"),
    "total_effect": ("total effect on the logit difference", "logits"),
    "indirect_effect": ("total minus direct effect", "logits"),
    "self_repair": ("total minus direct effect (self-repair)", "logits"),
}


def metric(scan: Scan, column: str) -> str:
    """A column in words, with its unit: `change of log p(' Germany'), nats`."""
    is_change = column.startswith("delta_")
    words, unit = _METRICS.get(column.removeprefix("delta_"), (column.removeprefix("delta_"), ""))
    primary, primary_unit = _METRICS.get(scan.primary_metric, (scan.primary_metric, ""))
    names = {"t": target(scan), "c": contrast(scan)}
    words = words.format(**names, m=primary.format(**names), u=primary_unit)
    unit = unit.format(u=primary_unit)
    return f"{'change of ' if is_change else ''}{words}{', ' if unit else ''}{unit}"


def which_way(column: str) -> str:
    """What the map's colours say of a head; empty where that is not a rise or a fall."""
    if column.startswith("delta_"):
        return "purple: it falls; orange: it rises"
    return "purple: less than their sum; orange: more" if column == "interaction" else ""


def is_one_sided(column: str) -> bool:
    """Whether a column is never negative."""
    return column in ("kl_divergence", "kl_to_clean", "entropy", "target_rank", "target_prob")


def target(scan: Scan) -> str:
    return _answers(scan, "targets", "the target")


def contrast(scan: Scan) -> str:
    return _answers(scan, "contrasts", "the contrast")


def title(scan: Scan, what: str, replacements: Sequence[int], prompt: int | None) -> str:
    """The prompt or their number; what was ablated, what took the heads' place, and the model."""
    several = prompt is None and len(scan.prompts) > 1
    which = _mean_of(scan) if several else repr(prompt_text(scan, prompt or 0))
    how = ", ".join(scan.replacements[r] for r in replacements)
    return f"{which}\n{what} ({how}), model {scan.manifest.model.name}"


def _mean_of(scan: Scan) -> str:
    clusters = clusters_of(scan)
    n_clusters, n_prompts = int(clusters.max()) + 1, np.count_nonzero(clusters >= 0)
    of = "" if n_clusters == n_prompts else f", {n_clusters} templates weighed alike"
    return f"mean of {n_prompts} prompts{of}"


def ablated(scan: Scan) -> str:
    """What one variant is."""
    kind = scan.manifest.sweep.WhichOneof("kind") or "heads"
    return {"heads": "each head ablated alone", "layers": "all heads of a layer ablated"}.get(kind, "each set ablated")


def prompt_text(scan: Scan, prompt: int) -> str:
    text = "".join(token.text for token in scan.prompts[prompt].tokens)
    return text if len(text) <= _LONGEST_PROMPT else f"{text[: _LONGEST_PROMPT - 1]}…"


def site(layer: int, head: int) -> str:
    return f"L{layer}H{head}"


def escape(text: str) -> str:
    """For matplotlib, which takes what stands between two dollars for a formula."""
    return text.replace("$", r"\$")


def _answers(scan: Scan, kind: str, general: str) -> str:
    """The token's text where all prompts have the same single one."""
    found: set[tuple[str, ...]] = {tuple(token.text for token in _tokens(prompt, kind)) for prompt in scan.prompts}
    only = found.pop() if len(found) == 1 else ()
    return repr(only[0]) if len(only) == 1 else general


def _tokens(prompt: Any, kind: str) -> Any:
    return getattr(prompt, kind)
