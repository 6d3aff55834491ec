"""`./run pull` against a local server that speaks the hub's routes: resolve with its headers, redirects and ranges."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.pull_model import read_table

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "openai-community/gpt2"
REVISION = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
WEIGHTS = "model.safetensors"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Hub(ThreadingHTTPServer):
    """The hub: small files are served in place, the weights through a redirect to a storage host, as the hub does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            "config.json": b'{"model_type": "gpt2"}',
            "vocab.json": b'{"a": 0}',
            "merges.txt": b"#version: 0.2\n",
            # More than the 10 MiB that the client takes at a time.
            WEIGHTS: os.urandom(12_000_000),
        }
        self.commit = REVISION
        # Bytes of the weights' body after which the connection breaks; -1: never. `breaks_left` bounds how often.
        self.break_after = -1
        self.breaks_left = 0
        self.etag_of_weights: str | None = None
        self.requests: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def body_starts(self) -> list[int]:
        """Where each download of the weights began."""
        ranges = [entry[2] for entry in self.requests if entry[:2] == ("GET", f"/storage/{WEIGHTS}")]
        return [int(text.removeprefix("bytes=").removesuffix("-")) if text else 0 for text in ranges]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Range")))
        resolve = re.fullmatch(rf"/{REPOSITORY}/resolve/{REVISION}/(.+)", self.path)
        storage = re.fullmatch(r"/storage/(.+)", self.path)
        match = resolve or storage
        name = match.group(1) if match else ""
        if name not in self.server.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif resolve and name == WEIGHTS:
            self.redirect(name)
        else:
            self.send_file(name, with_body)

    def redirect(self, name: str) -> None:
        data = self.server.files[name]
        self.send_response(302)
        # Another host than the hub's: clients read the hub's headers, not the storage's.
        self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/storage/{name}")
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-ETag", f'"{self.server.etag_of_weights or sha256(data)}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, name: str, with_body: bool) -> None:
        data = self.server.files[name]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        begin = int(wanted.group(1)) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.end_headers()
        if not with_body:
            return
        if name == WEIGHTS and self.server.breaks_left > 0:
            self.server.breaks_left -= 1
            self.wfile.write(data[begin : begin + self.server.break_after])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(data[begin:])


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def table(tmp_path: Path, hub: Hub) -> Path:
    return write_table(tmp_path, {name: (sha256(data), len(data)) for name, data in hub.files.items()})


def write_table(folder: Path, files: dict[str, tuple[str, int]]) -> Path:
    path = folder / "models.txt"
    lines = [f"tiny {REPOSITORY} {REVISION} {name} {digest} {size}" for name, (digest, size) in files.items()]
    path.write_text("# comment\n\n" + "\n".join(lines) + "\n")
    return path


def pull(table: Path, endpoint: str, name: str = "tiny", **environment: str) -> subprocess.CompletedProcess[str]:
    models = table.parent / "models"
    models.mkdir(exist_ok=True)
    clean = {key: os.environ[key] for key in os.environ if not key.startswith("HF_") and "proxy" not in key.lower()}
    return subprocess.run(
        [sys.executable, ROOT / "tools/pull_model.py", name, "--table", table, "--models-dir", models],
        env={**clean, "HF_HOME": str(table.parent / "hf-home"), "HF_ENDPOINT": endpoint, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_whole(table: Path, hub: Hub) -> None:
    folder = table.parent / "models" / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.files
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def assert_nothing_left(table: Path) -> None:
    assert list((table.parent / "models").iterdir()) == []


def test_fetches_and_is_idempotent(hub: Hub, table: Path) -> None:
    result = pull(table, hub.url)
    assert result.returncode == 0, result.stderr
    assert_whole(table, hub)
    hub.requests.clear()
    again = pull(table, hub.url)
    assert again.returncode == 0, again.stderr
    assert "SHA-256 sums are right" in again.stderr
    assert hub.requests == []


def test_goes_on_within_a_run_when_the_connection_breaks(hub: Hub, table: Path) -> None:
    hub.break_after, hub.breaks_left = 11_000_000, 1
    result = pull(table, hub.url)
    assert result.returncode == 0, result.stderr
    assert_whole(table, hub)
    starts = hub.body_starts()
    assert len(starts) == 2 and starts[0] == 0 and 0 < starts[1] <= 11_000_000


def test_goes_on_in_the_next_run(hub: Hub, table: Path) -> None:
    folder = table.parent / "models" / "tiny.partial"
    folder.mkdir(parents=True)
    (folder / f"{WEIGHTS}.{sha256(hub.files[WEIGHTS])[:12]}.part").write_bytes(hub.files[WEIGHTS][:1_234_567])
    result = pull(table, hub.url)
    assert result.returncode == 0, result.stderr
    assert "going on after 1.2 MB" in result.stderr
    assert hub.body_starts() == [1_234_567]
    assert_whole(table, hub)


def test_killed_download_leaves_only_what_the_next_run_uses(hub: Hub, table: Path) -> None:
    # No body at all arrives, again and again: the run gives up.
    hub.break_after, hub.breaks_left = 0, 100
    result = pull(table, hub.url)
    assert result.returncode == 3
    assert "goes on from there" in result.stderr.splitlines()[-1]
    assert not (table.parent / "models" / "tiny").exists()
    hub.breaks_left = 0
    result = pull(table, hub.url)
    assert result.returncode == 0, result.stderr
    assert_whole(table, hub)


def test_takes_up_a_run_killed_while_it_moved_files(hub: Hub, table: Path) -> None:
    whole = table.parent / "models" / "tiny.partial" / "whole"
    whole.mkdir(parents=True)
    (whole / WEIGHTS).write_bytes(hub.files[WEIGHTS])
    result = pull(table, hub.url)
    assert result.returncode == 0, result.stderr
    assert hub.body_starts() == []
    assert_whole(table, hub)


def test_damaged_partial_file_is_refused(hub: Hub, table: Path) -> None:
    folder = table.parent / "models" / "tiny.partial"
    folder.mkdir(parents=True)
    (folder / f"{WEIGHTS}.{sha256(hub.files[WEIGHTS])[:12]}.part").write_bytes(b"\0" * 1000)
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert "model.safetensors: downloaded SHA-256" in result.stderr
    assert_nothing_left(table)


@pytest.mark.parametrize("name", ["merges.txt", WEIGHTS])
def test_wrong_sha_leaves_nothing_behind(hub: Hub, table: Path, name: str) -> None:
    right = hub.files[name]
    hub.files[name] = bytes([right[0] ^ 1]) + right[1:]
    hub.etag_of_weights = sha256(right) if name == WEIGHTS else None  # the storage lies, not the hub
    result = pull(table, hub.url)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"run: {name}: downloaded SHA-256 {sha256(hub.files[name])}, expected {sha256(right)}")
    assert_nothing_left(table)


def test_wrong_etag_is_seen_before_the_download(hub: Hub, table: Path) -> None:
    hub.etag_of_weights = "0" * 64
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert "the server offers SHA-256 0000" in result.stderr
    assert hub.body_starts() == []
    assert not (table.parent / "models" / "tiny").exists()


def test_wrong_size_is_seen_before_the_download(hub: Hub, table: Path) -> None:
    hub.files[WEIGHTS] += b"more"
    hub.etag_of_weights = sha256(hub.files[WEIGHTS][:-4])
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert "the server offers 12000004 bytes, expected 12000000" in result.stderr
    assert hub.body_starts() == []


def test_another_commit_is_refused(hub: Hub, table: Path) -> None:
    hub.commit = "f" * 40
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert f"names commit {'f' * 40}, expected {REVISION}" in result.stderr
    assert_nothing_left(table)


def test_offline_is_said_in_one_line(table: Path) -> None:
    result = pull(table, "http://127.0.0.1:9")
    assert result.returncode == 3
    last = result.stderr.splitlines()[-1]
    assert last.startswith("run: http://127.0.0.1:9 cannot be reached")
    assert "HF_ENDPOINT" in last and "models/tiny by hand" in last
    assert "Traceback" not in result.stderr
    assert_nothing_left(table)


def test_offline_mode_is_said_in_one_line(hub: Hub, table: Path) -> None:
    result = pull(table, hub.url, HF_HUB_OFFLINE="1")
    assert result.returncode == 3
    assert "HF_HUB_OFFLINE is set" in result.stderr.splitlines()[-1]
    assert hub.requests == []


def test_missing_file_names_the_answer(hub: Hub, table: Path) -> None:
    del hub.files["merges.txt"]
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert re.match(r"run: merges\.txt: answer 404 for http://\S+/merges\.txt$", result.stderr.splitlines()[-1])
    assert "Traceback" not in result.stderr


def test_unknown_name_lists_the_known(hub: Hub, table: Path) -> None:
    result = pull(table, hub.url, name="gpt9")
    assert result.returncode == 2
    assert result.stderr == "run: unknown model 'gpt9': tiny\n"
    assert hub.requests == []


def test_other_files_in_place_are_left_alone(hub: Hub, table: Path) -> None:
    folder = table.parent / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("mine")
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert "is not the pinned checkpoint (config.json has SHA-256" in result.stderr
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]


def test_too_little_space_is_said_before_the_download(tmp_path: Path, hub: Hub) -> None:
    table = write_table(tmp_path, {"config.json": ("0" * 64, 1 << 60)})
    result = pull(table, hub.url)
    assert result.returncode == 1
    assert "of free space and has" in result.stderr
    assert hub.requests == []
    assert_nothing_left(table)


def test_the_shipped_table_is_well_formed() -> None:
    files = read_table(ROOT / "tools/deps/models.txt")
    assert {file.name for file in files if file.model == "gpt2"} == {"config.json", "vocab.json", "merges.txt", WEIGHTS}
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in files)
    assert all(re.fullmatch("[0-9a-f]{40}", file.revision) for file in files)
    assert len({file.revision for file in files}) == 1
