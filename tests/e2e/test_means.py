"""Mean libraries of the real server beside NumPy's float64 means of Hugging Face's own head outputs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file

from tests.e2e.programs import OK, USAGE, Server, ablate
from tests.oracle import hf
from tests.oracle.compare import assert_close
from tests.oracle.models import Geometry, write_random_model

GEOMETRY = Geometry(n_layer=3, n_head=4, n_embd=32, n_positions=48, vocab_size=300)
BOS = GEOMETRY.vocab_size - 1


@dataclass(frozen=True)
class Prompt:
    clean: list[int]
    corrupted: list[int]
    template: str

    def line(self) -> str:
        fields = {"token_ids": self.clean, "corrupted_token_ids": self.corrupted, "template": self.template}
        return json.dumps(fields) + "\n"


def data_set() -> list[Prompt]:
    """Prompts of 1 to 12 tokens in three templates, one of which has short prompts only."""
    random = np.random.default_rng(11)
    prompts = []
    for index in range(60):
        length = int(random.integers(1, 5 if index % 3 == 0 else 13))
        clean, corrupted = (random.integers(0, GEOMETRY.vocab_size, length).tolist() for _ in range(2))
        prompts.append(Prompt(clean, corrupted, f"template {index % 3}"))
    return prompts


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("models") / "tiny", GEOMETRY, seed=5)


@contextmanager
def serving(model_dir: Path, folder: Path, *options: str) -> Iterator[Server]:
    """An `ablated` that keeps its libraries in `folder`/means."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, "--means-dir", folder / "means", "--threads", "1", *options, model=model_dir)
    try:
        assert ablate(server, "health", "--wait", "60s").returncode == OK, server.text()
        yield server
    finally:
        assert server.stop() == 0, server.text()


def compute(server: Server, prompts: Sequence[Prompt], *options: str) -> str:
    """The id of a new library."""
    lines = "".join(prompt.line() for prompt in prompts)
    done = ablate(server, "means", "compute", "--prompts", "-", "--format", "id", *options, input=lines)
    assert done.returncode == OK, done.stderr
    return done.stdout.strip()


def export(server: Server, library: str, path: Path) -> dict[str, NDArray]:
    done = ablate(server, "means", "export", library, "--output", path)
    assert done.returncode == OK, done.stderr
    return load_file(path)


def info(path: Path) -> dict:
    """The library's description in a file's metadata."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["ablate.mean_library"])


class HeadOutputs:
    """z of Hugging Face's model: what its `c_proj` modules receive."""

    def __init__(self, model_dir: Path, dtype: torch.dtype) -> None:
        self.model = hf.load(str(model_dir), dtype)
        self.seen: dict[int, torch.Tensor] = {}
        for layer, block in enumerate(self.model.transformer.h):

            def hook(_module, args, layer=layer):
                self.seen[layer] = args[0]

            block.attn.c_proj.register_forward_pre_hook(hook)

    def of(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """`[L, T, H, Dh]`, widened."""
        with torch.no_grad():
            self.model(torch.tensor([token_ids]))
        layers = [self.seen[layer][0].double().numpy() for layer in range(GEOMETRY.n_layer)]
        return np.stack(layers).reshape(GEOMETRY.n_layer, len(token_ids), GEOMETRY.n_head, -1)


def reference(
    outputs: HeadOutputs,
    prompts: Sequence[Prompt],
    *,
    pooled: bool = False,
    sources: Sequence[str] = ("clean",),
    grouped: bool = False,
    bos: bool = False,
    first: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Means `[G, L, H, P, Dh]` (0 where there are none) and counts `[G, P]`, position by position."""
    groups = list(dict.fromkeys(prompt.template if grouped else "" for prompt in prompts))
    cells: dict[tuple[int, int], list[NDArray]] = defaultdict(list)
    for prompt in prompts:
        for source in sources:
            ids = [BOS] * bos + getattr(prompt, source)
            z = outputs.of(ids)
            for position in range(0 if first else 1, len(ids)):
                cell = (groups.index(prompt.template if grouped else ""), 0 if pooled else position)
                cells[cell].append(z[:, position])  # [L, H, Dh]
    n_positions = 1 + max(position for _, position in cells)
    d_head = GEOMETRY.n_embd // GEOMETRY.n_head
    mean = np.zeros((len(groups), GEOMETRY.n_layer, GEOMETRY.n_head, n_positions, d_head))
    count = np.zeros((len(groups), n_positions), np.int64)
    for (group, position), values in cells.items():
        mean[group, :, :, position] = np.mean(values, axis=0)
        count[group, position] = len(values)
    return mean, count


CASES = {
    "positionwise": ((), {}),
    "pooled": (("--mode", "pooled"), {"pooled": True, "first": False}),
    "pooled with position 0": (("--mode", "pooled", "--include-first-position"), {"pooled": True}),
    "corrupted by template": (
        ("--source", "corrupted", "--group-by-template"),
        {"sources": ("corrupted",), "grouped": True},
    ),
    "both, pooled by template, with BOS": (
        ("--source", "both", "--mode", "pooled", "--group-by-template", "--prepend-bos"),
        {"sources": ("clean", "corrupted"), "pooled": True, "grouped": True, "bos": True, "first": False},
    ),
}


@pytest.fixture(scope="module")
def server(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(model_dir, tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.mark.parametrize("name", CASES)
def test_means_equal_float64_means_of_hooks(name: str, server: Server, model_dir: Path, tmp_path: Path) -> None:
    options, how = CASES[name]
    path = tmp_path / "means.safetensors"
    arrays = export(server, compute(server, data_set(), *options), path)
    exact, count = reference(HeadOutputs(model_dir, torch.float64), data_set(), **how)
    theirs, _ = reference(HeadOutputs(model_dir, torch.float32), data_set(), **how)
    assert arrays["mean"].dtype == np.float64
    assert arrays["count"].dtype == np.int64
    assert arrays["count"].tolist() == count.tolist()
    assert_close(arrays["mean"], exact, 2 * np.abs(theirs - exact).max(), name)
    described = info(path)
    assert described["n_prompts"] == len(data_set())
    assert int(described["n_tokens"]) == count.sum()
    assert described["templates"] == ([f"template {i}" for i in range(3)] if how.get("grouped") else [""])


def test_any_chunking_gives_the_same_bits(server: Server, model_dir: Path, tmp_path: Path) -> None:
    options, _ = CASES["both, pooled by template, with BOS"]
    library = compute(server, data_set(), *options)
    together = export(server, library, tmp_path / "together.safetensors")
    for packed_tokens in (1, 37):
        folder = tmp_path / f"{packed_tokens}"
        with serving(model_dir, folder, "--max-packed-tokens", f"{packed_tokens}", "--threads", "2") as other:
            assert compute(other, data_set(), *options) == library
            cut = export(other, library, folder / "cut.safetensors")
        for array in ("mean", "count"):
            assert cut[array].tobytes() == together[array].tobytes(), (packed_tokens, array)


def test_a_file_comes_back_under_its_id(server: Server, tmp_path: Path) -> None:
    library = compute(server, data_set()[:7], "--name", "seven")
    path = tmp_path / "means.safetensors"
    export(server, library, path)
    assert library in ablate(server, "means", "list").stdout
    assert ablate(server, "means", "delete", library).returncode == OK
    assert library not in ablate(server, "means", "list").stdout
    gone = ablate(server, "means", "export", library, "--output", tmp_path / "none")
    assert gone.returncode == USAGE
    assert library in gone.stderr
    assert not (tmp_path / "none").exists()
    back = ablate(server, "means", "import", path, "--format", "id")
    assert back.stdout.strip() == library, back.stderr
    again = tmp_path / "again.safetensors"
    export(server, library, again)
    assert again.read_bytes() == path.read_bytes()
    assert info(again)["display_name"] == "seven"


def test_the_wrong_file_is_refused_with_its_reason(server: Server, model_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "means.safetensors"
    export(server, compute(server, data_set()[:3]), path)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[-100] ^= 1
    files = {
        "the arrays' SHA-256 is": bytes(flipped),
        "the file is cut off": good[:50],
        "bytes are left over": good + b"\0",
        "is this a mean library?": (model_dir / "model.safetensors").read_bytes(),
        "is this a safetensors file?": b"something else altogether",
    }
    for message, content in files.items():
        path.write_bytes(content)
        done = ablate(server, "means", "import", path)
        assert done.returncode == USAGE, message
        assert message in done.stderr, done.stderr
    path.write_bytes(good)
    other_model = write_random_model(tmp_path / "other", GEOMETRY, seed=6)
    with serving(other_model, tmp_path / "other server") as other:
        done = ablate(other, "means", "import", path)
        assert done.returncode == USAGE
        assert "belongs to the model with weights_sha256" in done.stderr
        assert ablate(other, "means", "list").stdout == "no mean libraries of this model\n"


def test_bad_data_names_the_line(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"token_ids": [1, 2]}\n\n{"token_ids": [1, 300]}\n')
    done = ablate(server, "means", "compute", "--prompts", path)
    assert done.returncode == USAGE
    assert "line 3" in done.stderr
    assert "got id 300" in done.stderr
    done = ablate(server, "means", "compute", "--prompts", path, "--source", "both")
    assert done.returncode == USAGE
    assert "line 1" in done.stderr


def test_the_mean_of_one_prompt_changes_nothing(server: Server) -> None:
    prompt = data_set()[1]
    library = compute(server, [prompt])
    line = json.dumps({"token_ids": prompt.clean, "target": 3})
    done = ablate(
        server,
        *("scan", "--prompts", "-", "--replace", "mean", "--means", library, "--format", "jsonl"),
        input=line,
    )
    assert done.returncode == OK, done.stderr
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    deltas = [row["delta_target_logprob"] for row in rows if "delta_target_logprob" in row]
    assert len(deltas) == 1 + GEOMETRY.n_layer * GEOMETRY.n_head
    assert deltas == [0] * len(deltas), "a head's own output in its place"
