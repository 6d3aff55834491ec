"""The random requests: the same from the same seed, and with everything that a request can say among them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import GPT2TokenizerFast

from tests.oracle import spec
from tests.oracle.means import MeanOptions, Means
from tests.oracle.models import TINY, write_synthetic_tokenizer
from tests.oracle.request_cases import CASES, POSITIONS, Generator, Limits
from tests.oracle.sweeps import SWEEPS


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[spec.Json]:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_synthetic_tokenizer(folder, TINY.vocab_size)
    tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    nothing = np.zeros(0)
    libraries = {str(bos): Means(MeanOptions(), bos, nothing, nothing) for bos in (False, True)}
    limits = Limits(runs=300, prompts=3, sites=12, pair_sites=8)

    def draw() -> list[spec.Json]:
        return [Generator(TINY, tokenizer, libraries, limits, str(i)).request(case) for i, case in enumerate(CASES)]

    first = draw()
    assert draw() == first
    return first


def features(request: spec.Json) -> set[str]:
    readout = request["readout"]
    found = {name for name in (*readout, *request) if name not in ("prompts", "readout")}
    found |= {name for prompt in request["prompts"] for name in prompt}
    found |= {str(readout.get(name)) for name in ("target_mode", "reduction")}
    found |= {
        options["direction"] for kind in request["replacements"] for options in kind.values() if "direction" in options
    }
    found |= {f"{len(request[name])} {name}" for name in ("replacements", "prompts")}
    found |= {name for options in request["sweep"].values() for name in options}
    if spec.needs_order(request):
        found.add("needs order")
    return found


def test_every_case_comes(requests):
    for request, (sweep, replacement, positions) in zip(requests, CASES, strict=True):
        assert sweep in request["sweep"]
        assert replacement in request["replacements"][0]
        assert (positions == "each") == request.get("edit_positions", {}).get("each", False)
    assert len(CASES) == len(SWEEPS) * 6 * len(POSITIONS)


def test_everything_that_a_request_can_say_comes(requests):
    counts = Counter(feature for request in requests for feature in features(request))
    modes = [f"TARGET_MODE_{mode}" for mode in ("SINGLE", "FIRST_TOKEN", "SEQUENCE")]
    reductions = [f"REDUCTION_{name}" for name in ("MEAN_LOGIT", "LOGSUMEXP", "PROB_SUM")]
    readouts = ["top_k", "likelihood", "effects", "compensation", "all_positions", "positions", "min_denominator"]
    sweeps = [
        "strongest",
        "needs order",
        "random_sets",
        "backwards",
        "steps",
        "layers",
        "heads",
        "sites",
        "keep",
        "order",
    ]
    prompts = ["text", "token_ids", "corrupted_token_ids", "template", "targets", "contrasts", "prepend_bos"]
    sizes = ["1 prompts", "2 prompts", "3 prompts", "1 replacements", "2 replacements", "3 replacements"]
    wanted = [*modes, *reductions, *readouts, *sweeps, *prompts, *sizes, "edit_appended", "edit_positions"]
    wanted += ["DIRECTION_NOISING", "DIRECTION_DENOISING"]
    assert [name for name in wanted if counts[name] < 3] == []
    assert counts["targets"] < len(requests), "some measure nothing"
