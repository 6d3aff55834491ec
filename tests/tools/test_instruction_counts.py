"""The planner and the tokenizer take no more instructions than the accepted ones (CONTRIBUTING.md, "What noise cannot
move"), and the comparison sees it where they do.
"""

from __future__ import annotations

import platform
import shutil

import pytest

from tools.instruction_counts import (
    ACCEPT,
    ROOT,
    Count,
    by_function,
    compare,
    describe,
    difference_of_builds,
    is_reference_build,
    measure,
    program,
    read_accepted,
)

BUILD, ACCEPTED = read_accepted()


@pytest.fixture(scope="module")
def built() -> dict:
    """How guarded_work was built; skips where its counts cannot be compared, but fails where they must be."""
    give_up = pytest.fail if is_reference_build() else pytest.skip
    if shutil.which("valgrind") is None:
        give_up("valgrind is not installed (./run setup)")
    assert program().is_file(), f"{program()} is not built; build it, or set ABLATE_BUILD_DIR"
    description = describe()
    if difference := difference_of_builds(BUILD, description):
        give_up(f"{difference} (accept anew: {ACCEPT})" if is_reference_build() else difference)
    return description


def test_every_piece_is_counted(built: dict) -> None:
    assert built["pieces"] == list(ACCEPTED)


@pytest.mark.parametrize("piece", ACCEPTED)
def test_instructions(built: dict, piece: str) -> None:
    if message := compare(piece, ACCEPTED[piece], measure(piece)):
        pytest.fail(message, pytrace=False)


def test_a_piece_does_the_same_each_time(built: dict) -> None:
    """Otherwise 5 % would mean nothing."""
    first, second = (measure("tokenizer_encode").instructions for _ in range(2))
    assert abs(first / second - 1) < 1e-3


@pytest.mark.parametrize(("now", "word"), [(1_040, None), (1_060, "is meant"), (960, None), (940, "Well done")])
def test_five_percent_either_way(now: int, word: str | None) -> None:
    message = compare("piece", Count(1_000, {"a": 1_000}), Count(now, {"a": now}))
    assert message is None if word is None else message is not None and word in message and "--accept" in message


def test_the_message_names_the_functions_that_grew() -> None:
    accepted = Count(1_000, {"same": 500, "grown": 300, "shrunk": 190})
    measured = Count(1_400, {"same": 500, "grown": 600, "shrunk": 90, "new": 200, "small": 9, "smaller": 1})
    message = compare("plan", accepted, measured)
    assert message is not None
    assert message.splitlines()[0].startswith("plan takes 1,400 instructions, +40.0% against the accepted 1,000")
    assert [line.split() for line in message.splitlines()[1:3]] == [["+300", "grown"], ["+200", "new"]]
    assert all(name not in message for name in ("same", "shrunk", "small"))


def test_functions_of_a_listing() -> None:
    listing = """\
I1 cache: 32768 B
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
12,345 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir              file:function
--------------------------------------------------------------------------------
8,000 (64.80%)  ???:ablate::(anonymous namespace)::Builder::Add(absl::Span<std::pair<int, int> const>, int) [/b/work]
4,000 (32.40%)  ???:ablate::F(int)::{lambda(int, int)#2}::operator()(int, int) const [/b/work]
  200 ( 1.62%)  ./malloc/./malloc/malloc.c:_int_free [/lib/libc.so.6]
  100 ( 0.81%)  ???:0x00000000000c0ffe [/lib/libcrypto.so.3]
   45 ( 0.36%)  ???:0x00000000000deade [/lib/libcrypto.so.3]
"""
    assert by_function(listing) == {
        "ablate::Builder::Add": 8_000,
        "ablate::F::{lambda#2}::operator const": 4_000,
        "_int_free": 200,
        "libcrypto.so.3": 145,
    }


@pytest.mark.parametrize(
    ("name", "value", "comparable"),
    [
        ("compiler", "GNU 12.4.1", True),
        ("compiler", "GNU 13.2.0", False),
        ("compiler", "Clang 12.0.1", False),
        ("build_type", "Debug", False),
        ("flags", "-O3 -DNDEBUG", False),
        ("libc", "2.41", False),
        ("abseil", "20240722.0", False),
    ],
)
def test_only_counts_of_like_builds_are_compared(name: str, value: str, comparable: bool) -> None:
    accepted = {
        "compiler": "GNU 12.2.0",
        "build_type": "Release",
        "flags": "-O2 -DNDEBUG",
        "libc": "2.36",
        "abseil": "20220623.1",
    }
    difference = difference_of_builds(accepted, {**accepted, name: value})
    assert difference is None if comparable else difference is not None and value in difference


@pytest.mark.parametrize(
    ("release", "folder", "must_hold"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "build/release", True),
        ({"ID": "debian", "VERSION_ID": "13"}, "build/release", False),
        ({"ID": "ubuntu", "VERSION_ID": "12"}, "build/release", False),
        ({"ID": "debian"}, "build/release", False),
        ({"ID": "debian", "VERSION_ID": "12"}, "build/asan", False),
    ],
)
def test_counts_must_hold_for_what_run_builds_on_debian(
    monkeypatch: pytest.MonkeyPatch, release: dict, folder: str, must_hold: bool
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    monkeypatch.setenv("ABLATE_BUILD_DIR", str(ROOT / folder))
    assert is_reference_build() is must_hold
