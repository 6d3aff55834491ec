"""The peers' process (bench/worker.py), and what each of them is called."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.common import Target
from tests.oracle.child import Child

ROOT = Path(__file__).resolve().parents[1]

NAMES = {
    "hook_loop": "HF, forward pre-hook loop",
    "one_batch": "HF, one batch, one hook a layer",
    "compiled_batch": "the same under `torch.compile`",
    "transformer_lens": "TransformerLens, `run_with_hooks` loop",
    "nnsight": "nnsight, a trace a head",
}
# Those that run a prompt's variants in one forward pass.
BATCHES = ("one_batch", "compiled_batch")


@dataclass(frozen=True)
class Measured:
    seconds: float
    # [prompts][1 + sites], of the target; the unedited run first.
    logprobs: list[list[float]]


class Peers:
    """One process for all of them: only one runs at a time."""

    def __init__(self, model_dir: Path, target: Target) -> None:
        subprocess.run([ROOT / "tools" / "peers" / "setup.sh"], check=True)
        self._worker = Child([ROOT / ".venv-peers" / "bin" / "python", ROOT / "bench" / "worker.py"])
        self.versions: dict[str, str] = self._worker.ask({"model_dir": str(model_dir), **target.options()})["versions"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def run(
        self, way: str, prompts: Sequence[Sequence[int]], sites: Sequence[tuple[int, int]], target: int
    ) -> Measured:
        """Each prompt's unedited run and one with each site zeroed."""
        return Measured(**self._worker.ask({"way": way, "prompts": prompts, "sites": sites, "target": target}))
