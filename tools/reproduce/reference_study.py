"""The reference study: block 5's heads, one at a time, after `Berlin is the capital of`."""

from __future__ import annotations

from tools.demo_model.facts import facts
from tools.reproduce.checkpoint import Checkpoint
from tools.reproduce.report import Finding, Section, columns
from tools.reproduce.service import Json, Service

CITY, TEMPLATE = "Berlin", "{city} is the capital of"
PROMPT, TARGET, CONTRAST = TEMPLATE.format(city=CITY), " Germany", " France"
LAYER = 5
# The study used zero. The constant is ours: it stands for "some other value, the same for every head".
CONSTANT = 0.1
REPLACEMENTS = ("zero", "mean", "constant")


def prompts_like_it(service: Service) -> list[Json]:
    """The prompt's template with every capital that makes it as long: what positions' means are taken over."""
    prompts = [TEMPLATE.format(city=fact.capital) for fact in facts()]
    lengths = list(map(len, service.tokenize([PROMPT, *prompts])))
    return [{"prompt": prompt} for prompt, length in zip(prompts, lengths[1:], strict=True) if length == lengths[0]]


def _figures(rows: list[Json]) -> Json:
    return {
        "heads": len(rows),
        "top1_kept": sum(row["top1_preserved"] for row in rows),
        "target_falls": sum(row["delta_target_logprob"] < 0 for row in rows),
        "contrast_rises": sum(row["delta_contrast_logprob"] > 0 for row in rows),
        "delta_target_logprob": {row["variant"]: row["delta_target_logprob"] for row in rows},
        "delta_contrast_logprob": {row["variant"]: row["delta_contrast_logprob"] for row in rows},
    }


def run(service: Service, checkpoint: Checkpoint) -> Section:
    """One scan with three replacements."""
    section = Section(
        title=f"The reference study: block {LAYER} after {PROMPT!r}",
        source=f"target {TARGET!r}, contrast {CONTRAST!r}; each head's input of c_proj set to zero, one head at a time",
    )
    if checkpoint.n_layers <= LAYER:
        section.error = f"the model has {checkpoint.n_layers} blocks, expected more than {LAYER}"
        return section
    alike = prompts_like_it(service)
    library = service.compute_means(alike, "prompts like the reference prompt")
    replace = [word for name in REPLACEMENTS for word in ("--replace", name)]
    scan = service.scan(
        [{"prompt": PROMPT, "target": TARGET, "contrast": CONTRAST}],
        *("--layers", str(LAYER), *replace, "--means", library, "--value", str(CONSTANT)),
    )
    (baseline,) = scan.of_variant("baseline")
    found = {name: _figures([row for row in scan.rows if row["replacement"] == name]) for name in REPLACEMENTS}
    section.data = {"baseline": baseline, "mean_prompts": len(alike), "constant": CONSTANT, "replacements": found}
    section.setting = [
        f"unedited: log p({TARGET!r}) {baseline['target_logprob']:.4f}, rank {baseline['target_rank']}; "
        f"log p({CONTRAST!r}) {baseline['contrast_logprob']:.4f}; top-1 {baseline['top1_token']!r}",
    ]
    zero = found["zero"]
    heads = zero["heads"]

    def of(number: int) -> str:
        return f"{number} of {heads}"

    section.findings = [
        Finding(
            f"ablations that keep {TARGET!r} as top-1",
            f"all {heads}",
            of(zero["top1_kept"] if baseline["target_is_top1"] else 0),
            bool(baseline["target_is_top1"]) and zero["top1_kept"] == heads,
        ),
        Finding(
            "heads whose ablation lowers the target", "most", of(zero["target_falls"]), _most(zero, "target_falls")
        ),
        Finding(
            "heads whose ablation raises the contrast",
            "most",
            of(zero["contrast_rises"]),
            _most(zero, "contrast_rises"),
        ),
    ]
    rows: list[tuple[str, ...]] = [("replacement", "top-1 kept", "target falls", "contrast rises", "")]
    notes = {"mean": f"over {len(alike)} prompts like it, by position", "constant": f"{CONSTANT} in every element"}
    for name in REPLACEMENTS:
        figures = found[name]
        counts = (of(figures[key]) for key in ("top1_kept", "target_falls", "contrast_rises"))
        rows.append((name, *counts, notes.get(name, "as published")))
    section.table = columns(rows)
    return section


def _most(figures: Json, key: str) -> bool:
    return 2 * figures[key] > figures["heads"]
