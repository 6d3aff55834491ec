"""Induction heads on repeated random tokens: what they look at, and what their loss does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from scipy.stats import spearmanr

from tools.demo_model import corpus
from tools.reproduce import prefix_matching
from tools.reproduce.checkpoint import Checkpoint
from tools.reproduce.report import Finding, Section, columns
from tools.reproduce.service import Json, Scan, Service
from tools.reproduce.sites import rank, short, strongest

INDUCTION_HEADS = ("L5H5", "L6H9")
# The paper names two of the heads that score high; others list 5.1, 7.2 and 7.10 beside them.
AMONG = 5
LONGEST_HALF = 50
# The bundled model was trained on lists of up to 40 words that come again.
BUNDLED_HALF = 20
MEAN_SEQUENCES = 40
SHOWN = 6


@dataclass(frozen=True)
class Choice:
    """What sequences are made of."""

    tokens: list[int]
    half: int
    words: str  # for people


def choose(service: Service, checkpoint: Checkpoint) -> Choice:
    """Any tokens; of the bundled model the words that it has learned lists of (models/demo/README.md)."""
    longest = (checkpoint.n_positions - 1) // 2
    if not checkpoint.is_bundled:
        every = [token for token in range(checkpoint.vocab_size) if token != checkpoint.bos_id]
        return Choice(every, min(LONGEST_HALF, longest, len(every)), "random tokens of the vocabulary")
    words = service.tokenize([f" {word}" for word in corpus.list_words(held_out=False)])
    known = sorted({ids[0] for ids in words if len(ids) == 1})
    return Choice(known, min(BUNDLED_HALF, longest), "random words of the lists that the model was trained on")


def sequences(tokens: Sequence[int], bos: int, half: int, count: int, random: Random) -> list[list[int]]:
    """BOS, then `half` different tokens, then the same again."""
    made = []
    for _ in range(count):
        once = random.sample(tokens, half)
        made.append([bos, *once, *once])
    return made


def second_half(scan: Scan, half: int) -> tuple[float, dict[str, float]]:
    """The mean log-prob of the second half's tokens, unedited, and its change by head.

    Its first token is left out: nothing foretells it.
    """

    def mean_of(line: Json) -> float:
        # Entry p is that of token p + 1; the second half's second token is token half + 2.
        part = line["token_logprob"][half + 1 :]
        return sum(part) / len(part)

    unedited = {line["prompt_index"]: mean_of(line) for line in scan.likelihoods if line["variant"] == "baseline"}
    changes: dict[str, list[float]] = {}
    for line in scan.likelihoods:
        if line["variant"] != "baseline":
            changes.setdefault(line["variant"], []).append(mean_of(line) - unedited[line["prompt_index"]])
    level = sum(unedited.values()) / len(unedited)
    return level, {label: sum(change) / len(change) for label, change in changes.items()}


def run(service: Service, checkpoint: Checkpoint, count: int, seed: int) -> Section:
    """`count` sequences."""
    section = Section(
        title="Induction heads: prefix matching on repeated random tokens",
        source="arXiv 2211.00593 (heads 5.5, 6.9), after arXiv 2209.11895; attention patterns from Hugging Face",
    )
    choice = choose(service, checkpoint)
    half = choice.half
    if half < 2:
        section.error = f"the model reads {checkpoint.n_positions} tokens, expected 5 or more"
        return section
    random = Random(seed)
    made = sequences(choice.tokens, checkpoint.bos_id, half, count, random)
    others = sequences(choice.tokens, checkpoint.bos_id, half, MEAN_SEQUENCES, random)
    library = service.compute_means([{"token_ids": ids} for ids in others], "repeated random tokens")
    # A scan measures some prediction in any case: the last token's, which is the second half's first again.
    prompts = [{"token_ids": ids, "target_id": ids[1]} for ids in made]
    scan = service.scan(prompts, "--replace", "mean", "--means", library, "--likelihood")
    level, change = second_half(scan, half)
    score = prefix_matching.scores(checkpoint.folder, made, half)
    agreement = float(spearmanr([score[label] for label in change], [-fall for fall in change.values()]).statistic)
    section.setting = [
        f"{count} sequences: BOS, {half} tokens, the same again; {choice.words}",
        f"unedited: a token of the second half has log p {level:.3f} on average",
        f"second half: its tokens' log-prob without the head (its mean over {MEAN_SEQUENCES} other sequences instead), "
        "minus with it",
    ]
    for label in INDUCTION_HEADS:
        found = f"rank {rank(score, label)}, {score[label]:.3f}" if label in score else "no such head"
        holds = label in strongest(score, AMONG)
        section.findings.append(
            Finding(f"induction head {short(label)}", f"among the {AMONG} largest scores", found, holds)
        )
    rows = [("head", "prefix matching", "second half", "rank of its fall", "")]
    shown = [*strongest(score, SHOWN), *strongest(change, SHOWN // 2, negative=True), *INDUCTION_HEADS]
    for label in dict.fromkeys(label for label in shown if label in score):
        role = "published" if label in INDUCTION_HEADS else ""
        place = str(rank(change, label, negative=True))
        rows.append((short(label), f"{score[label]:.3f}", f"{change[label]:+.3f}", place, role))
    section.table = [*columns(rows), f"Spearman of the two over all heads: {agreement:.3f}"]
    section.data = {
        "tokens": choice.words,
        "half": half,
        "sequences": count,
        "prefix_matching": score,
        "second_half_logprob": level,
        "second_half_change": change,
        "spearman": agreement,
    }
    return section
