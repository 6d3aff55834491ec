"""The peers' process (bench/worker.py), and what each of them is called."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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

    def __init__(self, model_dir: Path, threads: int) -> None:
        subprocess.run([ROOT / "tools" / "peers" / "setup.sh"], check=True)
        self._process = subprocess.Popen(
            [ROOT / ".venv-peers" / "bin" / "python", ROOT / "bench" / "worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions: dict[str, str] = self._ask({"model_dir": str(model_dir), "threads": threads})["versions"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self, way: str, prompts: Sequence[Sequence[int]], sites: Sequence[tuple[int, int]], target: int
    ) -> Measured:
        """Each prompt's unedited run and one with each site zeroed."""
        return Measured(**self._ask({"way": way, "prompts": prompts, "sites": sites, "target": target}))

    def _ask(self, question: dict) -> dict:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise SystemExit(f"bench: the peers' process died with status {self._process.wait()}; see above")
        return json.loads(line)
