"""Indirect object identification: name movers and negative name movers, by mean ablation (arXiv 2211.00593)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tools.reproduce import ioi_prompts
from tools.reproduce.checkpoint import Checkpoint
from tools.reproduce.report import Finding, Section, columns
from tools.reproduce.service import Json, Scan, Service, ServiceError
from tools.reproduce.sites import Scores, mean_by_variant, rank, short, strongest

NAME_MOVERS = ("L9H9", "L9H6", "L10H0")
NEGATIVE_NAME_MOVERS = ("L10H7", "L11H10")
SHOWN = 6
MEAN_SENTENCES_A_TEMPLATE = 50


def check_shapes(scan: Scan, prompts: Sequence[Json]) -> None:
    """Sentences of one template are equally long, or means by position would mix different words."""
    lengths: dict[str, set[int]] = {}
    for prompt, resolved in zip(prompts, scan.manifest["prompts"], strict=True):
        lengths.setdefault(prompt["template"], set()).add(len(resolved["token_ids"]))
    uneven = [template for template, found in lengths.items() if len(found) > 1]
    if uneven:
        raise ServiceError(
            f"sentences of the template {uneven[0]!r} have {sorted(lengths[uneven[0]])} tokens, expected one"
        )


def _finding(published: Sequence[str], scores: Scores, *, negative: bool, what: str) -> list[Finding]:
    """A statement for each head: it is among the strongest, which are as many as the paper names."""
    found = strongest(scores, len(published), negative=negative)
    order = "most negative" if negative else "most positive"
    statements = []
    for label in published:
        place = f"rank {rank(scores, label, negative=negative)}" if label in scores else "no such head"
        statements.append(
            Finding(f"{what} {short(label)}", f"among the {len(published)} {order}", place, label in found)
        )
    return statements


def run(service: Service, checkpoint: Checkpoint, a_template: int, seed: int) -> Section:
    """`a_template` sentences of each template, read at their end."""
    section = Section(
        title="Indirect object identification (IOI): direct effects of the heads on the logit difference",
        source="arXiv 2211.00593; mean ablation over sentences with three names, by template and position",
    )

    def is_single(texts: Sequence[str]) -> list[bool]:
        return [len(ids) == 1 for ids in service.tokenize(texts)]

    templates = ioi_prompts.usable_templates(is_single)
    if not templates:
        section.error = "no template whose names, places and objects are single tokens of this model's tokenizer"
        return section
    random = Random(seed)
    three = ioi_prompts.three_names(templates, MEAN_SENTENCES_A_TEMPLATE, random)
    made = ioi_prompts.sentences(templates, a_template, random)
    library = service.compute_means(
        [{"prompt": s.prompt, "template": s.template} for s in three], "IOI with three names", "--group-by-template"
    )
    prompts = [
        {"prompt": s.prompt, "target": f" {s.indirect}", "contrast": f" {s.subject}", "template": s.template}
        for s in made
    ]
    scan = service.scan(prompts, "--replace", "mean", "--means", library, "--effects", "--summary", "--seed", str(seed))
    check_shapes(scan, prompts)
    direct = mean_by_variant(scan.rows, "direct_effect")
    total = {entry["variant"]: entry for entry in scan.summaries}
    unedited = scan.of_variant("baseline")
    right = sum(row["logit_diff"] > 0 for row in unedited)
    level = sum(row["logit_diff"] for row in unedited) / len(unedited)
    section.setting = [
        f"{len(prompts)} sentences of {len(templates)} templates; means over {len(three)} sentences of theirs",
        f"unedited: logit difference {level:+.3f}; {right} of {len(prompts)} sentences prefer the right name",
        "a negative effect: without the head the right name loses, so that the head helps it",
    ]
    section.findings = [
        *_finding(NAME_MOVERS, direct, negative=True, what="name mover"),
        *_finding(NEGATIVE_NAME_MOVERS, direct, negative=False, what="negative name mover"),
    ]
    section.table = _table(direct, total)
    section.data = {
        "templates": [slots.template for slots in templates],
        "prompts": len(prompts),
        "mean_logit_diff": level,
        "share_right": right / len(prompts),
        "direct_effect": direct,
        "total_effect": {variant: entry["mean"] for variant, entry in total.items()},
        "clusters": scan.summary_head["n_clusters"],
    }
    return section


def _table(direct: Scores, total: dict[str, Json]) -> list[str]:
    rows = [("head", "direct", "total", "95 % interval of the total", "")]
    published = dict.fromkeys(NAME_MOVERS, "name mover") | dict.fromkeys(NEGATIVE_NAME_MOVERS, "negative name mover")
    for negative in (True, False):
        for label in strongest(direct, SHOWN, negative=negative):
            entry = total[label]
            low, high = entry["ci_low"], entry["ci_high"]
            interval = "-" if low is None or high is None else f"{low:+.3f} .. {high:+.3f}"
            row = (short(label), f"{direct[label]:+.3f}", f"{entry['mean']:+.3f}", interval, published.get(label, ""))
            rows.append(row)
    return columns(rows)
