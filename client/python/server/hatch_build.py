"""Gives the wheel the platform that its programs need, as make_wheels.py found it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlatformTag(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        about = Path(self.root) / "src" / "ablate_server" / "about.json"
        if not about.is_file():
            raise RuntimeError("no programs in src/ablate_server: `./run wheel` builds this wheel")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{json.loads(about.read_text())['platform']}"
