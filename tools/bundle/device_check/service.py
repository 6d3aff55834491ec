"""The reference experiment end to end: a server on the device, the client over gRPC, its JSON lines."""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from device_check.programs import ProgramFailed, Rows, environment, program
from device_check.reference import Edit, Scan

START_SECONDS = 120


def scan_through_service(model: Path, device: str) -> tuple[Rows, Scan, dict[str, Any]]:
    """Rows, the scan that they answer, and the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, log, output = (Path(folder) / name for name in ("port", "log", "rows.jsonl"))
        with log.open("w") as stream:
            address = ["--listen", "127.0.0.1:0", "--port-file", str(port_file)]
            command = [program("libexec/ablated"), "--model", str(model), "--device", device, *address]
            server = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment())
        try:
            wait_for(port_file, server, log)
            client = [program("bin/ablate"), "scan", "--server", f"127.0.0.1:{port_file.read_text().strip()}"]
            question = ["--prompt", "Berlin is the capital of", "--target", " Germany", "--contrast", " France"]
            result = subprocess.run(
                [*client, *question, "--format", "jsonl", "--output", str(output)],
                capture_output=True,
                text=True,
                timeout=120,
            )
            if result.returncode != 0:
                raise ProgramFailed(f"ablate scan ended with {result.returncode}: {result.stderr.strip()}")
        finally:
            server.terminate()
            code = server.wait(60)
        if code != 0:
            raise ProgramFailed(f"ablated ended with {code} after SIGTERM: {log.read_text()[-2000:]}")
        return read_rows(output)


def wait_for(port_file: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    ready = False
    while not ready:
        if server.poll() is not None or time.monotonic() > deadline:
            raise ProgramFailed(f"ablated did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)
        if port_file.exists() and port_file.read_text().strip():
            address = f"127.0.0.1:{port_file.read_text().strip()}"
            health = [program("bin/ablate"), "health", "--server", address]
            ready = subprocess.run(health, capture_output=True).returncode == 0


def read_rows(path: Path) -> tuple[Rows, Scan, dict[str, Any]]:
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    manifest = json.loads(first)["manifest"]
    prompt = manifest["prompts"][0]
    labels = [variant["label"] for variant in manifest["variants"]]
    sites = [label[1:].split("H") for label in labels]
    scan = Scan(
        token_ids=prompt["token_ids"],
        variants=[[Edit(int(layer), int(head))] for layer, head in sites],
        reads=[len(prompt["token_ids"]) - 1],
        target_id=prompt["targets"][0]["id"],
        contrast_id=prompt["contrasts"][0]["id"],
    )
    number = {"baseline": -1, **{label: i for i, label in enumerate(labels)}}
    rows: Rows = {}
    for line in lines:
        row = json.loads(line)
        rows[0, number[row["variant"]], row["position"]] = row
    if len(rows) != len(lines):
        raise ProgramFailed(f"{len(lines)} rows, {len(rows)} of them distinct")
    return rows, scan, manifest
