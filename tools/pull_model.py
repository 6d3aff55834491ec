#!/usr/bin/env python3
"""Fetches a pinned checkpoint from the Hugging Face hub: `./run pull NAME`.

Every file is checked against its SHA-256 before the folder appears under its name, so models/NAME is either whole and
right or not there. What was downloaded waits in models/NAME.partial, from where the next run goes on.

Exit codes: 0 done or already there, 1 something is wrong with the files or the disk, 2 bad usage, 3 the network failed.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Plain HTTP for the big file too: unlike the hub's chunk protocol it goes on where an earlier run stopped, and mirrors
# speak it.
os.environ["HF_HUB_DISABLE_XET"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SLACK_BYTES = 64 << 20


class PullError(Exception):
    """Ends the program with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class PinnedFile:
    """One line of tools/deps/models.txt."""

    model: str
    repository: str
    revision: str
    name: str
    sha256: str
    size_bytes: int

    def partial_path(self, folder: Path) -> Path:
        """Named after its content, so that a new pin never goes on from an old file."""
        return folder / f"{self.name}.{self.sha256[:12]}.part"


def read_table(path: Path) -> list[PinnedFile]:
    files = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) != 6 or not fields[5].isdigit():
            raise PullError(f"{path}:{number}: expected 'name repository revision file sha256 bytes', got '{line}'")
        model, repository, revision, name, sha256, size = fields
        files.append(PinnedFile(model, repository, revision, name, sha256, int(size)))
    return files


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def human_bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def find_fault(folder: Path, files: list[PinnedFile]) -> str:
    """Says what keeps `folder` from being the pinned checkpoint; empty where it is."""
    for file in files:
        path = folder / file.name
        if not path.is_file():
            return f"{path.name} is missing"
        found = sha256_of(path)
        if found != file.sha256:
            return f"{path.name} has SHA-256 {found}, expected {file.sha256}"
    return ""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the partial folder: two runs would write into the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PullError(f"another './run pull' is at work in {folder}") from None
        yield


def check_free_space(folder: Path, files: list[PinnedFile]) -> None:
    have = sum(part.stat().st_size for file in files if (part := file.partial_path(folder)).exists())
    needed = sum(file.size_bytes for file in files) - have + SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PullError(f"{folder} needs {human_bytes(needed)} of free space and has {human_bytes(free)}")


def fetch(file: PinnedFile, folder: Path) -> None:
    """Brings one file's bytes into its partial path, going on where an earlier run stopped, and checks them."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    part = file.partial_path(folder)
    if part.exists() and part.stat().st_size == file.size_bytes and sha256_of(part) == file.sha256:
        return
    url = hf_hub_url(file.repository, file.name, revision=file.revision)
    metadata = get_hf_file_metadata(url, retry_on_errors=False)
    if metadata.commit_hash != file.revision:
        raise PullError(f"{url}: the server names commit {metadata.commit_hash}, expected {file.revision}")
    # A large file's ETag is its SHA-256: a wrong one is known before anything is downloaded.
    if metadata.etag and len(metadata.etag) == 64 and metadata.etag != file.sha256:
        raise PullError(f"{url}: the server offers SHA-256 {metadata.etag}, expected {file.sha256}")
    if metadata.size is not None and metadata.size != file.size_bytes:
        raise PullError(f"{url}: the server offers {metadata.size} bytes, expected {file.size_bytes}")

    if part.exists() and part.stat().st_size >= file.size_bytes:
        part.unlink()  # as long as the file, yet not it
    have = part.stat().st_size if part.exists() else 0
    going_on = f", going on after {human_bytes(have)}" if have else ""
    print(f"    {file.name}  {human_bytes(file.size_bytes)}{going_on}", file=sys.stderr, flush=True)
    with part.open("ab") as stream:
        http_get(
            url,
            stream,
            resume_size=have,
            # No compression: a resumed range counts bytes as they are stored.
            headers={**build_hf_headers(), "Accept-Encoding": "identity"},
            expected_size=file.size_bytes,
            displayed_filename=file.name,
        )
    found = sha256_of(part)
    if found != file.sha256:
        shutil.rmtree(folder)
        raise PullError(f"{file.name}: downloaded SHA-256 {found}, expected {file.sha256}; nothing was kept")


def fetch_all(files: list[PinnedFile], partial: Path) -> None:
    """As fetch, with the network's failures told in one line."""
    import httpx
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    hub = constants.ENDPOINT
    by_hand = (
        "set HF_ENDPOINT to a mirror, or copy "
        f"{', '.join(file.name for file in files)} into models/{files[0].model} by hand"
    )
    for file in files:
        try:
            fetch(file, partial)
        except PullError:
            raise
        except OfflineModeIsEnabled:
            raise PullError("HF_HUB_OFFLINE is set, so nothing is fetched: unset it", 3) from None
        except HfHubHTTPError as error:
            raise PullError(f"{file.name}: answer {error.response.status_code} for {error.response.url}") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise PullError(f"{hub} cannot be reached ({error}): {by_hand}", 3) from None
        except httpx.HTTPError as error:
            message = f"{file.name}: the download broke off ({error}): the same command goes on from there"
            raise PullError(message, 3) from None
        except OSError as error:
            raise PullError(f"{file.name}: {' '.join(str(error).split())}") from None


def put_in_place(files: list[PinnedFile], partial: Path, target: Path) -> None:
    """Makes the folder whole beside its place, then moves it there in one step."""
    whole = partial / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.partial_path(partial).rename(whole / file.name)
    whole.rename(target)


def take_back(files: list[PinnedFile], partial: Path) -> None:
    """Undoes a put_in_place that was killed on its way."""
    for file in files:
        if (partial / "whole" / file.name).exists():
            (partial / "whole" / file.name).rename(file.partial_path(partial))


def pull(name: str, files: list[PinnedFile], models_dir: Path) -> None:
    target = models_dir / name
    if target.exists():
        fault = find_fault(target, files)
        if fault:
            raise PullError(f"{target} is not the pinned checkpoint ({fault}): move it away and pull again")
        print(f"{target} is there and its SHA-256 sums are right", file=sys.stderr)
        return
    partial = models_dir / f"{name}.partial"
    with only_one(partial):
        try:
            take_back(files, partial)
            check_free_space(partial, files)
            total = human_bytes(sum(file.size_bytes for file in files))
            print(f"==> Fetching {files[0].repository} at {files[0].revision[:12]}: {total}", file=sys.stderr)
            fetch_all(files, partial)
            put_in_place(files, partial, target)
        finally:
            # Nothing is left behind but downloads that a next run can use.
            if partial.exists() and not any(partial.glob("*.part")):
                shutil.rmtree(partial)
    print(f"{target} is ready: ./run demo --model {name}", file=sys.stderr)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run pull",
        description="Fetch a pinned checkpoint from the Hugging Face hub into models/NAME and check its SHA-256.",
        epilog="HF_ENDPOINT names a mirror of the hub. Exit code 3: the network failed.",
    )
    parser.add_argument("name", metavar="NAME", help="a model of tools/deps/models.txt, e.g. gpt2")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "models", help="default: models/")
    parser.add_argument("--table", type=Path, default=ROOT / "tools/deps/models.txt", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    try:
        table = read_table(options.table)
        files = [file for file in table if file.model == options.name]
        if not files:
            known = ", ".join(dict.fromkeys(file.model for file in table))
            raise PullError(f"unknown model '{options.name}': {known}", 2)
        pull(options.name, files, options.models_dir)
    except PullError as error:
        print(f"run: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("run: interrupted; the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
