"""The notebooks' stored outputs are what they show when they run, and the comparison that says so can fail."""

from __future__ import annotations

import base64
import copy
import io
import re
from pathlib import Path

import matplotlib.image
import pytest
from nbformat import NotebookNode

from tests.oracle.probe import BUILD_DIR
from tools import notebook

STUDY = notebook.NOTEBOOKS / "reference_study.ipynb"
MOST_PICTURE_BYTES = 400_000


@pytest.fixture
def study() -> NotebookNode:
    return notebook.read(STUDY)


@pytest.mark.parametrize("path", sorted(notebook.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_outputs_are_those_stored(path):
    stored = notebook.read(path)
    made = notebook.executed(path, BUILD_DIR)
    assert not notebook.differences(stored, made), (
        "`python -m tools.notebook` stores them anew; its text may have to follow"
    )
    assert made.metadata == stored.metadata


def test_it_is_stored_as_it_ran(study):
    code = [cell for cell in study.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds == {"stream", "execute_result", "display_data"}
    assert {output.name for cell in code for output in cell.outputs if output.output_type == "stream"} == {"stdout"}
    assert not any(cell.metadata for cell in study.cells)


def test_it_holds_nothing_of_a_machine(study):
    text = re.sub(r'"image/png": "[^"]*"', "", STUDY.read_text(encoding="utf-8"))
    for place in (str(notebook.ROOT), str(Path.home()), "/tmp/", "site-packages", " ms", "CPU"):
        assert place not in text


def test_pictures_are_small(study):
    pictures = [output.data["image/png"] for _, output in outputs(study) if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert sum(map(len, pictures)) < MOST_PICTURE_BYTES


def test_figures_in_the_text_are_of_the_outputs(study):
    shown: set[str] = set()
    for _, output in outputs(study):
        shown |= three_decimals(output.get("data", {}).get("text/plain", ""))
    named = set().union(*(three_decimals(cell.source) for cell in study.cells if cell.cell_type == "markdown"))
    assert len(named) > 10
    assert named <= shown


def three_decimals(text: str) -> set[str]:
    """Without signs: text says `falls by 1.391`."""
    return set(re.findall(r"\d+\.\d{3}\b", text))


def outputs(study: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    return [(cell, output) for cell in study.cells for output in cell.get("outputs", [])]


def data_of(study: NotebookNode, id: str) -> NotebookNode:
    return next(output.data for cell, output in outputs(study) if cell.id == id)


def repainted(png: str, paint) -> str:
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(png)), format="png").copy()
    paint(pixels)
    file = io.BytesIO()
    matplotlib.image.imsave(file, pixels, format="png")
    return base64.b64encode(file.getvalue()).decode()


def change_number(study):
    data = data_of(study, "all-heads-top")
    data["text/plain"] = data["text/plain"].replace("-1.857", "-1.859")


def change_count(study):
    data = data_of(study, "all-heads-layers")
    data["text/plain"] = data["text/plain"].replace("heads_that_move  12", "heads_that_move  11")


def change_head(study):
    data = data_of(study, "all-heads-top")
    data["text/html"] = data["text/html"].replace("L0H10", "L0H1")


def change_sign(study):
    data = data_of(study, "all-heads-top")
    data["text/plain"] = data["text/plain"].replace("+1.394", "-1.394")


def change_decimals(study):
    data = data_of(study, "all-heads-top")
    data["text/plain"] = data["text/plain"].replace("-1.857", "-1.86")


def leave_out_a_line(study):
    data = data_of(study, "all-heads-top")
    data["text/plain"] = data["text/plain"].rpartition("\n")[0]


def leave_out_an_output(study):
    next(cell for cell in study.cells if cell.id == "block-5-figure").outputs.clear()


def leave_out_a_picture(study):
    del data_of(study, "block-5-figure")["image/png"]


def change_figure_size(study):
    data = data_of(study, "block-5-figure")
    data["text/plain"] = data["text/plain"].replace("with 2 Axes", "with 1 Axes")


def change_bar(study):
    def paint(pixels):
        pixels[100:120, 300:340, :3] = 0.5

    data = data_of(study, "block-5-figure")
    data["image/png"] = repainted(data["image/png"], paint)


def crop_picture(study):
    data = data_of(study, "block-5-figure")
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png")
    file = io.BytesIO()
    matplotlib.image.imsave(file, pixels[1:], format="png")
    data["image/png"] = base64.b64encode(file.getvalue()).decode()


CHANGES = [
    change_number, change_count, change_head, change_sign, change_decimals, leave_out_a_line, leave_out_an_output,
    leave_out_a_picture, change_figure_size, change_bar, crop_picture,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_figure_is_found(study, change):
    made = copy.deepcopy(study)
    change(made)
    assert made != study
    assert len(notebook.differences(study, made)) == 1
    assert len(notebook.differences(made, study)) == 1


def test_last_digits_and_last_bits_may_differ(study):
    made = copy.deepcopy(study)
    assert not notebook.differences(study, made)
    for kind in ("text/plain", "text/html"):
        data = data_of(made, "all-heads-top")
        assert "-1.857" in data[kind]
        data[kind] = data[kind].replace("-1.857", "-1.856")

    def paint(pixels):
        pixels[..., :3] = (pixels[..., :3] - 1 / 255).clip(0, 1)
        pixels[50:58, 100:105, :3] = 0.0

    data = data_of(made, "block-5-figure")
    data["image/png"] = repainted(data["image/png"], paint)
    assert made != study
    assert not notebook.differences(study, made)
