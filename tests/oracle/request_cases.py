"""Random requests in protobuf JSON: every sweep x replacement x kind of positions, all else by chance, from a seed."""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.oracle import spec, sweeps
from tests.oracle.means import Means
from tests.oracle.models import Geometry
from tests.oracle.spec import Json
from tests.oracle.sweeps import SWEEPS, Site

REPLACEMENTS = ("zero", "zero_keep_value_bias", "mean", "constant", "scale", "resample")
POSITIONS = ("all", "last", "list", "range", "each")
# What one request is mainly about; the table that the requests go round.
CASES = tuple(itertools.product(SWEEPS, REPLACEMENTS, POSITIONS))
LONGEST = 8  # tokens of a prompt, BOS included; mean libraries reach as far


@dataclass(frozen=True)
class Limits:
    """What keeps the oracle quick."""

    runs: int  # of a prompt
    prompts: int
    # Sites of a sweep, and of one that runs pairs.
    sites: int
    pair_sites: int


class Generator:
    """`libraries`: by id; those that fit the prompts (BOS, templates) are taken."""

    def __init__(
        self, geometry: Geometry, tokenizer, libraries: Mapping[str, Means], limits: Limits, seed: str
    ) -> None:
        self._g, self._tokenizer, self._libraries, self._limits = geometry, tokenizer, libraries, limits
        self._random = random.Random(seed)
        # Tokens that are text by themselves.
        texts = {i: tokenizer.decode([i]) for i in range(geometry.vocab_size - 1)}
        self._texts = [t for i, t in texts.items() if t.isascii() and t.isprintable() and self._ids(t) == [i]]

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text)["input_ids"]

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def request(self, case: tuple[str, str, str]) -> Json:
        """A request of `case` (sweep, replacement, positions) within the limits."""
        while True:
            request = self._draw(*case)
            if self._runs(request) <= self._limits.runs:
                return request

    def _runs(self, request: Json) -> int:
        lengths = [
            len(prompt["token_ids"]["ids"]) if "token_ids" in prompt else LONGEST for prompt in request["prompts"]
        ]
        edits = request.get("edit_positions", {})
        length = max(lengths) + request.get("prepend_bos", False)
        each = len(spec.positions(edits.get("positions"), length)) if edits.get("each") else 1
        sites = len(spec.filtered(request["sweep"], self._g))
        strongest = request["sweep"].get("pairs", {}).get("strongest", 0)
        order = sweeps.all_sites(self._g.n_layer, self._g.n_head)[: strongest or sites]
        n_variants = len(spec.variants(request, self._g, order))
        return n_variants * each * len(request["replacements"])

    def _draw(self, sweep: str, replacement: str, positions: str) -> Json:
        r = self._random
        bos = self._chance(0.2)
        kinds = [replacement] + ([r.choice(REPLACEMENTS) for _ in range(r.randint(1, 2))] if self._chance(0.35) else [])
        usable = [id for id, library in self._libraries.items() if library.prepend_bos == bos]
        replacements = []
        for kind in kinds:
            made = {kind: self._options(kind, usable)}
            if made not in replacements:
                replacements.append(made)
        sequence = self._chance(0.12)
        lengths = [r.randint(4, LONGEST - 1 - 3 * sequence) for _ in range(r.randint(1, self._limits.prompts))]
        answers = self._answer_maker(sequence)
        prompts = [self._prompt(length, answers, replacements) for length in lengths]
        chooses = sweep in ("pairs", "cumulative") and self._chance(0.3)
        request: Json = {
            "prompts": prompts,
            "sweep": self._sweep(sweep, chooses and "targets" in prompts[0]),
            "replacements": replacements,
            "readout": self._readout(prompts, min(lengths) + bos, sequence),
        }
        if bos:
            request["prepend_bos"] = True
        if made := self._edit_positions(positions, min(lengths) + bos):
            request["edit_positions"] = made
        if sequence and positions != "each" and self._chance(0.5):
            request["readout"]["edit_appended"] = True
        return request

    def _options(self, kind: str, usable: Sequence[str]) -> Json:
        r = self._random
        if kind == "mean":
            return {"library": r.choice(usable)}
        if kind == "constant":
            if self._chance(0.5):
                return {"scalar": r.choice([-1.25, 0.5, 2.0])}
            d_head = self._g.n_embd // self._g.n_head
            return {"vector": {"values": [r.randrange(-64, 65) / 32 for _ in range(d_head)]}}
        if kind == "scale":
            return {"factor": r.choice([-1.0, 0.5, 1.75])}
        if kind == "resample":
            return {"direction": r.choice(["DIRECTION_NOISING", "DIRECTION_DENOISING"])}
        return {}

    def _text(self, least: int, most: int) -> str:
        """A text of so many tokens."""
        while True:
            letters = string.ascii_letters + "  .,"
            text = "".join(self._random.choice(letters) for _ in range(self._random.randint(least, 2 * most)))
            if least <= len(self._ids(text)) <= most:
                return text

    def _answer_maker(self, sequence: bool) -> Callable[[], Json]:
        """What the prompts of a request have: targets and contrasts, or only some of that, in all of them alike."""
        r = self._random
        has_target = sequence or self._chance(0.93)
        has_contrast = has_target and self._chance(0.85)
        longest = r.choice([1, 1, 3])

        def make() -> Json:
            if sequence:
                texts = [self._text(2, 4) if self._chance(0.8) else r.choice(self._texts) for _ in range(2)]
                return {"targets": [{"text": texts[0]}]} | ({"contrasts": [{"text": texts[1]}]} if has_contrast else {})
            refs = [{"id": i} for i in r.sample(range(self._g.vocab_size), 2 * longest)]
            text = r.choice(self._texts)
            if self._chance(0.2) and {"id": self._ids(text)[0]} not in refs:
                refs[0] = {"text": text}
            cut = r.randint(1, len(refs) - 1)
            parts = {"targets": refs[:cut], "contrasts": refs[cut:]}
            return {name: parts[name] for name, has in (("targets", has_target), ("contrasts", has_contrast)) if has}

        return make

    def _prompt(self, length: int, answers: Callable[[], Json], replacements: Sequence[Json]) -> Json:
        r = self._random
        template = r.choice(["a", "b"])
        ids = [r.randrange(self._g.vocab_size) for _ in range(length)]
        prompt: Json = {"token_ids": {"ids": ids}} | answers()
        if any("resample" in replacement for replacement in replacements):
            # Most of a pair is alike.
            other = [token if self._chance(0.5) else r.randrange(self._g.vocab_size) for token in ids]
            prompt["corrupted_token_ids"] = {"ids": other}
        elif self._chance(0.15):
            prompt |= {"text": self._text(length, length)}
            del prompt["token_ids"]
        if any("mean" in replacement for replacement in replacements) or self._chance(0.2):
            prompt["template"] = template
        return prompt

    def _site(self, site: Site) -> str:
        return self._random.choice(["L{}H{}", "{}.{}", "A{}.{}", "a{}.h{}", "l{}h{}"]).format(*site)

    def _filter(self, most: int) -> Json:
        """At most `most` sites, as lists or patterns."""
        g, r = self._g, self._random
        everything = sweeps.all_sites(g.n_layer, g.n_head)
        how = r.choice(["none", "lists", "lists", "sites", "pattern"])
        made: Json = {}
        if how == "lists":
            heads = r.sample(range(g.n_head), r.randint(1, min(g.n_head, max(1, most // 2))))
            layers = r.sample(range(g.n_layer), r.randint(1, min(g.n_layer, max(1, most // len(heads)))))
            made = {"heads": heads, "layers": layers}
        elif how == "sites":
            made = {"sites": [self._site(site) for site in r.sample(everything, min(most, len(everything), 5))]}
        elif how == "pattern":
            made = {"sites": [r.choice([f"L{r.randrange(g.n_layer)}H*", f"L*H{r.randrange(g.n_head)}"])]}
        n_sites = len(spec.filtered({"filter": made}, g))
        return made if 3 <= n_sites <= most else self._filter(most)

    def _groups(self, sites: Sequence[Site], most: int) -> list[Json]:
        r = self._random
        groups = []
        for index in range(r.randint(1, 3)):
            chosen = r.sample(sites, r.randint(1, min(most, 4)))
            group: Json = {"sites": [self._site(site) for site in chosen]}
            if self._chance(0.5):
                group["name"] = f"group {index}"
            groups.append(group)
        return groups

    def _sweep(self, kind: str, chooses: bool) -> Json:
        g, r = self._g, self._random
        if kind == "groups":
            groups = self._groups(sweeps.all_sites(g.n_layer, g.n_head), 4)
            if self._chance(0.3):
                groups.append({"sites": [f"L{r.randrange(g.n_layer)}H*", "0.1"]})
            return {"groups": {"groups": groups}}
        # Few variants come of many sites but for heads, pairs and growing sets.
        few = {"pairs": self._limits.pair_sites, "heads": self._limits.sites, "cumulative": self._limits.sites}
        made: Json = {"filter": self._filter(few.get(kind, g.n_layer * g.n_head))}
        sites = spec.filtered(made, g)
        if kind == "pairs":
            return made | {"pairs": {"strongest": r.randint(2, len(sites))} if chooses else {}}
        if kind == "all_but":
            keep = {"keep": self._groups(sites, len(sites) - 1)}
            if self._chance(0.5):
                keep |= {"random_sets": r.randint(1, 2), "seed": str(r.randrange(2**40))}
            return made | {"all_but": keep}
        if kind == "cumulative":
            options: Json = {}
            n_sites = len(sites)
            if not chooses:
                order = r.sample(sites, r.randint(1, n_sites))
                n_sites = len(order)
                options["order"] = [self._site(site) for site in order]
            if self._chance(0.4):
                options["backwards"] = True
            if self._chance(0.4):
                options["steps"] = r.randint(1, n_sites)
            return made | {"cumulative": options}
        return made | {kind: {}}

    def _positions(self, kind: str, length: int) -> Json:
        """In prompts of `length` tokens and more."""
        r = self._random
        if kind == "last":
            return {"positions": [-1]}
        if kind == "list":
            return {"positions": r.sample(range(-length, length), r.randint(1, 3))}
        if kind == "range":
            end = r.randint(2, length)
            made = r.choice(
                [{"begin": end - 2, "end": end}, {"end": end}, {"begin": -end}, {"begin": -length, "end": -1}]
            )
            return {"ranges": [made]} | ({"positions": [-1]} if self._chance(0.2) else {})
        return {}

    def _edit_positions(self, kind: str, length: int) -> Json:
        if kind == "each":
            return {"each": True} | (
                {"positions": self._positions(self._random.choice(["list", "range"]), length)}
                if self._chance(0.5)
                else {}
            )
        made = self._positions(kind, length)
        return {"positions": made} if made else {}

    def _readout(self, prompts: Sequence[Json], length: int, sequence: bool) -> Json:
        r = self._random
        made: Json = {}
        if self._chance(0.3):
            made["top_k"] = r.randint(1, 4)
        if self._chance(0.2):
            made["likelihood"] = True
        if self._chance(0.4):
            made["min_denominator"] = r.choice([0, 0.02, 0.5])
        if sequence:
            made["target_mode"] = "TARGET_MODE_SEQUENCE"
            return made
        if self._chance(0.15):
            made["target_mode"] = r.choice(["TARGET_MODE_SINGLE", "TARGET_MODE_FIRST_TOKEN"])
        made |= r.choice(
            [
                {},
                {},
                {"all_positions": True},
                {"positions": self._positions(r.choice(["list", "range", "last"]), length)},
            ]
        )
        if "contrasts" in prompts[0] and self._chance(0.5):
            made |= r.choice([{"effects": True}, {"compensation": True}])
        elif self._chance(0.6):
            made["reduction"] = "REDUCTION_" + r.choice(["MEAN_LOGIT", "LOGSUMEXP", "PROB_SUM"])
        return made
