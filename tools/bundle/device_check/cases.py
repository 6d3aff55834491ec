"""What is run: scans of the bundled model and of GPT-2 Small's geometry."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from device_check.reference import END, Config, Edit, Scan, Variant


@dataclass(frozen=True)
class Case:
    name: str
    scans: list[Scan]
    # Token budgets of the passes; 0 is the engine's own choice. Small ones cut the work into chunks.
    budgets: tuple[int, ...] = (0,)
    # On a GPU its pass is one that is recorded, and then replayed (engine/forward/pass_graphs.h).
    is_replayed: bool = False


def all_heads(config: Config, layers: range | None = None) -> list[Variant]:
    return [[Edit(layer, head)] for layer in layers or range(config.n_layer) for head in range(config.n_head)]


def sweeps(config: Config, generator: random.Random) -> dict[str, list[Variant]]:
    """What the sweeps of a request are made of: sets of heads that are zeroed together."""
    layers = [[Edit(layer, head) for head in range(config.n_head)] for layer in range(config.n_layer)]
    heads = [edit for layer in layers for edit in layer]
    order = generator.sample(heads, len(heads))
    some = generator.sample(heads, min(8, len(heads)))
    return {
        "layers": list(layers),
        "pairs": [sorted(pair, key=site) for pair in combinations(some, 2)],
        "all but one": [[edit for edit in heads if edit is not kept] for kept in some],
        "cumulative": [sorted(order[: n + 1], key=site) for n in range(0, len(order), max(1, len(order) // 12))],
    }


def site(edit: Edit) -> tuple[int, int]:
    return edit.layer, edit.head


def replacements() -> list[Edit]:
    """One edit of each kind, of head 0 in layer 0. The table that they read is make_table's."""
    zero = Edit(0, 0)
    return [
        zero,
        replace(zero, scale=0.5),
        replace(zero, scale=-1.5),
        replace(zero, entry=0),
        replace(zero, entry=1),
        replace(zero, scale=1.0, entry=1),
        replace(zero, entry=2, entry_stride=1),
        replace(zero, scale=1.0, from_donor=True),
        replace(zero, scale=0.5, from_donor=True, entry=1),
    ]


def make_table(config: Config, tokens: int, generator: random.Random) -> list[list[float]]:
    """[2 + tokens, Dh]: a constant, a vector, and one for each position."""
    d_head = config.n_embd // config.n_head
    vectors = [[generator.uniform(-1, 1) for _ in range(d_head)] for _ in range(1 + tokens)]
    return [[0.375] * d_head, *vectors]


def random_edits(config: Config, tokens: int, count: int, generator: random.Random) -> list[Variant]:
    """Variants of up to four sites, at all positions or some, each with any replacement."""
    kinds = replacements()
    variants: list[Variant] = []
    for _ in range(count):
        sites = {
            (generator.randrange(config.n_layer), generator.randrange(config.n_head))
            for _ in range(generator.randint(1, 4))
        }
        edits = []
        for layer, head in sorted(sites):
            begin = generator.choice([0, generator.randrange(tokens)])
            end = generator.choice([END, generator.randint(begin + 1, tokens)])
            edits.append(replace(generator.choice(kinds), layer=layer, head=head, begin=begin, end=end))
        variants.append(edits)
    return variants


def every_replacement(config: Config, tokens: int, generator: random.Random) -> list[Variant]:
    """Each kind at a head of each layer, and then mixtures."""
    kinds = replacements()
    alone: list[Variant] = [
        [replace(kind, layer=layer, head=generator.randrange(config.n_head))]
        for layer in range(config.n_layer)
        for kind in kinds
    ]
    return alone + random_edits(config, tokens, 40, generator)


def make_scan(
    config: Config, tokens: int, variants: Sequence[Variant], generator: random.Random, reads: int = 1
) -> Scan:
    """With a table and a donor where an edit wants one."""
    edits = [edit for variant in variants for edit in variant]
    ids, donor = ([generator.randrange(config.vocab_size) for _ in range(tokens)] for _ in range(2))
    target, contrast = generator.sample(range(config.vocab_size), 2)
    return Scan(
        ids,
        variants,
        sorted({tokens - 1, *generator.sample(range(tokens), reads - 1)}),
        target,
        contrast,
        table=make_table(config, tokens, generator) if any(edit.entry >= 0 for edit in edits) else (),
        donor_token_ids=donor if any(edit.from_donor for edit in edits) else (),
    )


def cases(config: Config, is_large: bool, on_gpu: bool) -> list[Case]:
    """`is_large`: GPT-2 Small's geometry. A CPU gets the same kinds of work in smaller sizes."""
    generator = random.Random(7)
    heads = all_heads(config)
    is_slow = is_large and not on_gpu
    lengths = (5, 11) if is_slow else (5, 17, 48)
    long = min(config.n_positions, 128 if is_slow else 1024)
    tokens = 12 if is_slow else 24
    return [
        Case("every head, 6 tokens", [make_scan(config, 6, heads, generator)], is_replayed=True),
        Case(
            f"every head, prompts of {', '.join(map(str, lengths))} tokens in one batch"
            + ("" if is_large else ", also cut into chunks"),
            [make_scan(config, n, heads, generator) for n in lengths],
            budgets=(0,) if is_large else (0, 300),
        ),
        Case(
            f"every replacement, alone and several at ranges of positions, {tokens} tokens, 3 positions read",
            [make_scan(config, tokens, every_replacement(config, tokens, generator), generator, reads=3)],
        ),
        *(
            Case(f"sweep of {name}, 8 tokens", [make_scan(config, 8, variants, generator)])
            for name, variants in sweeps(config, generator).items()
        ),
        Case(
            f"three heads of a late layer, {long} tokens",
            [make_scan(config, long, all_heads(config, range(config.n_layer - 2, config.n_layer - 1))[:3], generator)],
        ),
    ]
