"""What is run: scans of the bundled model and of GPT-2 Small's geometry."""

import random
from dataclasses import dataclass

from device_check.programs import Scan
from device_check.reference import Config, Edit

END = 2**31 - 1


@dataclass(frozen=True)
class Case:
    name: str
    scans: list[Scan]
    # Token budgets of the passes; 0 is the engine's own choice. Small ones cut the work into chunks.
    budgets: tuple[int, ...] = (0,)


def all_heads(config: Config, layers: range | None = None) -> list[list[Edit]]:
    layers = layers or range(config.n_layer)
    return [[(layer, head, 0, END, 0.0)] for layer in layers for head in range(config.n_head)]


def random_edits(config: Config, tokens: int, count: int, generator: random.Random) -> list[list[Edit]]:
    """Variants of up to four sites, at all positions or some, zeroed or scaled."""
    variants = []
    for _ in range(count):
        sites = {
            (generator.randrange(config.n_layer), generator.randrange(config.n_head))
            for _ in range(generator.randint(1, 4))
        }
        edits = []
        for layer, head in sorted(sites):
            begin = generator.choice([0, generator.randrange(tokens)])
            end = generator.choice([END, generator.randint(begin + 1, tokens)])
            edits.append((layer, head, begin, end, generator.choice([0.0, 0.0, 0.5, -1.5])))
        variants.append(edits)
    return variants


def make_scan(
    config: Config, tokens: int, variants: list[list[Edit]], generator: random.Random, reads: int = 1
) -> Scan:
    ids = [generator.randrange(config.vocab_size) for _ in range(tokens)]
    target, contrast = generator.sample(range(config.vocab_size), 2)
    return Scan(ids, variants, sorted({tokens - 1, *generator.sample(range(tokens), reads - 1)}), target, contrast)


def cases(config: Config, is_large: bool, on_gpu: bool) -> list[Case]:
    """`is_large`: GPT-2 Small's geometry. A CPU gets the same kinds of work in smaller sizes."""
    generator = random.Random(7)
    heads = all_heads(config)
    lengths = (5, 17, 48) if on_gpu or not is_large else (5, 11)
    long = min(config.n_positions, 1024 if on_gpu or not is_large else 128)
    random_tokens = 24 if on_gpu or not is_large else 12
    return [
        Case("every head, 6 tokens", [make_scan(config, 6, heads, generator)]),
        Case(
            f"every head, prompts of {', '.join(map(str, lengths))} tokens in one batch, also cut into chunks",
            [make_scan(config, n, heads, generator) for n in lengths],
            budgets=(0, 300),
        ),
        Case(
            f"sets of edits at ranges of positions, {random_tokens} tokens, 3 positions read",
            [make_scan(config, random_tokens, random_edits(config, random_tokens, 40, generator), generator, reads=3)],
        ),
        Case(
            f"one late layer's heads, {long} tokens",
            [make_scan(config, long, all_heads(config, range(config.n_layer - 2, config.n_layer - 1)), generator)],
        ),
    ]
