"""Which model this is: OpenAI's GPT-2 Small, the bundled one, or another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.pull_model import read_table

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "models" / "demo" / "model.safetensors"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """The model that the server holds."""

    folder: Path
    weights_sha256: str
    expected_sha256: str  # of OpenAI's
    is_bundled: bool
    n_layers: int
    n_heads: int
    n_positions: int
    vocab_size: int
    bos_id: int

    @property
    def is_openai(self) -> bool:
        """Whether the published figures are about this very model."""
        return self.weights_sha256 == self.expected_sha256

    def verdict(self) -> str:
        """For people."""
        if self.is_openai:
            return "this is OpenAI's GPT-2 Small, the model that the published figures are about"
        name = "the bundled teaching model" if self.is_bundled else "another model"
        return f"NOT OpenAI's GPT-2 Small but {name}: the published figures need not hold for it"


def openai_sha256(table: Path) -> str:
    """Of GPT-2 Small's weights, as tools/deps/models.txt pins them."""
    (pinned,) = [file.sha256 for file in read_table(table) if (file.model, file.name) == ("gpt2", WEIGHTS)]
    return pinned


def identify(folder: Path, described: dict[str, Any]) -> Checkpoint:
    """Of `ablate describe`."""
    model = described["model"]
    bundled = hashlib.sha256(BUNDLED.read_bytes()).hexdigest() if BUNDLED.exists() else ""
    return Checkpoint(
        folder=folder,
        weights_sha256=model["weights_sha256"],
        expected_sha256=openai_sha256(ROOT / "tools" / "deps" / "models.txt"),
        is_bundled=model["weights_sha256"] == bundled,
        n_layers=model["n_layers"],
        n_heads=model["n_heads"],
        n_positions=model["n_positions"],
        vocab_size=model["vocab_size"],
        bos_id=model["bos_token_id"],
    )
