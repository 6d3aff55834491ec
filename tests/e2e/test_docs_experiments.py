"""docs/experiments/: every command runs on the bundled model, and writes what stands behind it but for its digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.models import DEMO
from tests.oracle.probe import BUILD_DIR
from tools.experiments import make_data, pages
from tools.experiments.shape import first_difference, shape
from tools.reproduce.service import Service

PAGES = sorted(page for page in pages.PAGES.glob("*.md") if page.name != "README.md")


@pytest.fixture
def service() -> Iterator[Service]:
    """One a page, as refresh.py has it: a page sees no other's mean libraries."""
    with Service(DEMO, BUILD_DIR, "cpu") as started:
        yield started


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_writes_what_the_page_shows(page: Path, service: Service) -> None:
    found = pages.blocks(page.read_text(encoding="utf-8"))
    assert found, f"{page.name} runs nothing"
    for block in found:
        output = pages.run(block.command, service.environment)
        difference = first_difference(block.output, output)
        assert not difference, f"{difference}\nof\n{block.command}(tools/experiments/refresh.py {page})"


def test_the_index_names_every_page() -> None:
    index = (pages.PAGES / "README.md").read_text(encoding="utf-8")
    assert len(PAGES) == 8
    for page in PAGES:
        assert f"]({page.name})" in index


@pytest.mark.parametrize("page", [*PAGES, pages.PAGES / "README.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_data_sets_are_what_their_script_writes() -> None:
    made = make_data.data_sets()
    assert sorted(made) == sorted(path.name for path in make_data.DATA.iterdir())
    for name, lines in made.items():
        assert (make_data.DATA / name).read_text(encoding="utf-8") == make_data.as_text(lines), name


def test_pairs_differ_in_one_word_only() -> None:
    for line in make_data.data_sets()["ioi.jsonl"]:
        clean, corrupted = line["prompt"].split(), line["corrupted"].split()
        assert [(a, b) for a, b in zip(clean, corrupted, strict=True) if a != b] == [
            (line["contrast"].strip(), line["target"].strip())
        ]


def test_blocks_are_found_with_and_without_output() -> None:
    text = "a\n\n```sh run\none\n```\n\n```text\n1\n```\n\nb\n\n```sh run\ntwo\nthree\n```\n\n```sh\nnot run\n```\n"
    assert pages.blocks(text) == [pages.Block("one\n", "1\n"), pages.Block("two\nthree\n", "")]
    new = pages.refreshed(text, lambda command: command.upper())
    assert pages.blocks(new) == [pages.Block("one\n", "ONE\n"), pages.Block("two\nthree\n", "TWO\nTHREE\n")]
    assert "```sh\nnot run\n```" in new
    assert pages.refreshed(new, lambda command: command.upper()) == new


def test_a_block_without_an_end_is_refused() -> None:
    with pytest.raises(pages.PageError, match="1 blocks open"):
        pages.blocks("```sh run\nablate describe\n")


def test_a_command_that_fails_anywhere_in_a_pipe_is_an_error(service: Service) -> None:
    assert pages.run("ablate tokenize ' Germany' | wc -l", service.environment).strip().isdigit()
    with pytest.raises(pages.PageError, match="exit status 2"):
        pages.run("ablate scan --prompt x --target 'no such token' | sed -n 1p", service.environment)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  L0H6  -3.9976  -6.3633 .. -2.2169  58 %", "  L10H11  +13.99  -16 .. 2.2  100 %"),
        ("top-1 ' Germany'", "top-1 ' France'"),
        ("  matching -2.7 ####|     kept", "  matching +0.1     |#    kept"),
        ("cpu (One) | float32, forward 1.0 s in 1 pass", "cpu (An Other) | float32, forward 12 s in 10 passes"),
        ("send 0.010 s, peak 70.3 MiB", "send 1.200 s, peak 1.5 GiB"),
        ("p <0.0001", "p 0.0420"),
        ("library 485346312c3deadc36700139a225e65d", "library 00000000000000000000000000000000"),
    ],
)
def test_digits_do_not_matter(one: str, other: str) -> None:
    assert shape(one) == shape(other)
    assert first_difference(one, other) == ""


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ("head  mean", "head  median", "line 1"),
        ("a 1\nb 2", "a 1\nc 2", "line 2"),
        ("a 1", "a 1\nb 2", "expected 1 lines, found 2"),
        ("mean 1 2", "mean 1", "line 1"),
        ("p 0.5", "p -", "line 1"),
        ("x 1  s", "x 1", "line 1"),
    ],
)
def test_words_lines_and_columns_matter(one: str, other: str, says: str) -> None:
    assert says in first_difference(one, other)
