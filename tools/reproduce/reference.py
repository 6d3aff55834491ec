"""The reference study: `Berlin is the capital of`, block 5's twelve heads, one at a time, under three replacements."""

from __future__ import annotations

from tools.experiments.prompts import REFERENCE, Words, capitals
from tools.experiments.service import Service
from tools.reproduce.finding import Finding

BLOCK = 5
CONSTANT = 0.1
STUDY = "Reference study: Berlin is the capital of"


def findings(service: Service, words: Words) -> list[Finding]:
    library = service.means(capitals(words), "capitals", "--mode", "positionwise")
    objects = service.scan(
        [dict(REFERENCE)],
        *("--layers", str(BLOCK), "--replace", "zero", "--replace", "mean", "--means", library),
        *("--replace", "constant", "--value", str(CONSTANT)),
    )
    result = []
    for replacement in ("zero", "mean", "constant"):
        rows = [row for row in objects if row.get("replacement") == replacement]
        n = len(rows)
        kept = sum(row["top1_preserved"] for row in rows)
        lower = sum(row["delta_target_logprob"] < 0 for row in rows)
        higher = sum(row["delta_contrast_logprob"] > 0 for row in rows)
        where = f"block {BLOCK}, {replacement}"
        claims = (
            ("heads that keep the top-1 token", "all", kept, kept, n),
            ("heads that lower the target", "most", lower, int(lower > n / 2), 1),
            ("heads that raise the contrast", "most", higher, int(higher > n / 2), 1),
        )
        for claim, published, count, holds, of in claims:
            if replacement == "zero":
                result.append(Finding(STUDY, f"{where}: {claim}", published, f"{count} of {n}", holds, of))
            else:
                result.append(Finding(STUDY, f"{where}: {claim}", "not published", f"{count} of {n}"))
    return result
