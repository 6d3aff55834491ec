"""Random requests through the real `ablate` and `ablated` in float64, each row beside the oracle's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import GPT2TokenizerFast

from tests.e2e.programs import OK, Server, ablate, scan_lines
from tests.oracle import hf, jsonl_check, means, spec
from tests.oracle.compare import assert_close
from tests.oracle.engine_check import FLOAT64_TOLERANCE
from tests.oracle.experiment import Oracle
from tests.oracle.means import MeanOptions, Means
from tests.oracle.models import TINY, WIDE, Geometry, write_random_model
from tests.oracle.request_cases import CASES, LONGEST, Generator, Limits

# Requests of one test: a round of CASES takes six tests.
BLOCK = 30

LIBRARIES = (
    (MeanOptions(), False),
    (MeanOptions(), True),
    (MeanOptions(mode="pooled", source="both"), False),
    (MeanOptions(mode="pooled", include_first_position=True), True),
    (MeanOptions(source="corrupted", group_by_template=True), False),
)


@dataclass(frozen=True)
class Subject:
    """A model behind a server, and the oracle of the same model."""

    geometry: Geometry
    server: Server
    oracle: Oracle
    limits: Limits

    def generator(self, seed: str) -> Generator:
        return Generator(self.geometry, self.oracle.tokenizer, self.oracle.libraries, self.limits, seed)

    def check(self, request: spec.Json, file: Path) -> int:
        file.write_text(json.dumps(request, indent=1))
        lines = jsonl_check.Lines(scan_lines(self.server, "--spec", file))
        order = []
        if spec.needs_order(request):
            order, strength = self.oracle.order(request)
            found = lines.manifest["selection"]
            assert [(site["layer"], site["head"]) for site in found["sites"]] == order
            assert_close(found["mean_delta"], strength, FLOAT64_TOLERANCE, "mean_delta")
        variants = jsonl_check.variants_of(lines.manifest)
        jsonl_check.check_variants(variants, spec.variants(request, self.geometry, order), request, self.geometry)
        expected = self.oracle.expect(request, variants)
        return jsonl_check.check_lines(lines, expected, jsonl_check.Names(request, variants))


def compute_means(server: Server, folder: Path, options: MeanOptions, bos: bool) -> str:
    """The id of a library that the server makes of folder/means.jsonl."""
    flags = ["--mode", options.mode, "--source", options.source]
    flags += ["--group-by-template"] * options.group_by_template
    flags += ["--include-first-position"] * options.include_first_position
    flags += ["--prepend-bos"] * bos
    done = ablate(server, "means", "compute", "--prompts", folder / "means.jsonl", "--format", "id", *flags)
    assert done.returncode == OK, done.stderr
    return done.stdout.strip()


def mean_prompts(geometry: Geometry) -> list[tuple[list[int], list[int], str]]:
    generator = random.Random(31)
    lengths = [LONGEST + 4, LONGEST + 4, *(generator.randint(2, LONGEST) for _ in range(6))]

    def ids(length: int) -> list[int]:
        return [generator.randrange(geometry.vocab_size) for _ in range(length)]

    return [(ids(n), ids(n), "ab"[i % 2]) for i, n in enumerate(lengths)]


def make_libraries(server: Server, folder: Path, model, geometry: Geometry) -> dict[str, Means]:
    prompts = mean_prompts(geometry)
    lines = [
        {"token_ids": clean, "corrupted_token_ids": corrupted, "template": template}
        for clean, corrupted, template in prompts
    ]
    (folder / "means.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        compute_means(server, folder, options, bos): means.compute(model, prompts, options, bos)
        for options, bos in LIBRARIES
    }


SUBJECTS = {
    # A small budget: most requests are cut into chunks.
    "tiny": (TINY, Limits(runs=400, prompts=3, sites=12, pair_sites=8), ("--max-packed-tokens", "150")),
    "wide": (WIDE, Limits(runs=90, prompts=2, sites=16, pair_sites=5), ()),
}


@pytest.fixture(scope="module", params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    geometry, limits, options = SUBJECTS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    model_dir = write_random_model(folder / "model", geometry, seed=41)
    server = Server(folder, "--precision", "float64", "--means-dir", folder / "means", *options, model=model_dir)
    try:
        assert ablate(server, "health", "--wait", "60s").returncode == OK, server.text()
        model = hf.load(str(model_dir), torch.float64)
        libraries = make_libraries(server, folder, model, geometry)
        assert len(libraries) == len(LIBRARIES)
        oracle = Oracle(model, GPT2TokenizerFast.from_pretrained(model_dir), geometry, libraries)
        yield Subject(geometry, server, oracle, limits)
    finally:
        status = server.stop()
    assert status == 0


@pytest.mark.parametrize("seed", ["requests", *(pytest.param(f"more{n}", marks=pytest.mark.long) for n in range(1, 6))])
@pytest.mark.parametrize("first", range(0, len(CASES), BLOCK))
def test_random_requests_equal_the_oracle(subject: Subject, first: int, seed: str, tmp_path: Path) -> None:
    failures, n_rows = [], 0
    for index in range(first, min(first + BLOCK, len(CASES))):
        request = subject.generator(f"{seed} {index}").request(CASES[index])
        try:
            n_rows += subject.check(request, tmp_path / f"request{index}.json")
        except AssertionError as error:
            failures.append(f"{CASES[index]}: {error}\n{json.dumps(request)}")
    print(f"{n_rows} rows")
    assert n_rows > 10 * BLOCK  # each has a baseline and, mostly, dozens of variants
    assert not failures, f"{len(failures)} of {BLOCK} requests differ\n" + "\n\n".join(failures)
