"""Mean libraries from Python: the same as the command line's."""

from __future__ import annotations

import numpy as np
import pytest

import ablate
from tests.e2e.programs import OK
from tests.e2e.programs import ablate as cli

TEXTS = ["Rome is in", "Bonn is in"]


def test_a_library_is_the_command_lines(server, client, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("prompt,target\n" + "\n".join(f"{text}, Italy" for text in TEXTS) + "\n")
    done = cli(server, "means", "compute", "--prompts", path, "--mode", "pooled", "--min-count", "2", "--format", "id")
    assert done.returncode == OK, done.stderr
    library = client.compute_means(path, mode="pooled", min_count=2)
    assert library.id == done.stdout.strip()
    assert client.compute_means(TEXTS, mode="pooled", min_count=2, progress=False).id == library.id
    assert client.compute_means(TEXTS, mode="pooled").id != library.id


def test_a_scan_takes_a_library(client):
    library = client.compute_means(TEXTS)
    scan = client.scan("Rome is in", target=" Italy", replace="mean", means=library, layers=5)
    assert scan.manifest.replacements[0].mean.library == library.id
    assert np.isfinite(scan.array("delta_target_logprob")[5]).all()


def test_a_file_goes_and_comes_back(client, tmp_path):
    library = client.compute_means(TEXTS, name="two towns")
    client.export_means(library, tmp_path / "means.safetensors")
    client.delete_means(library)
    with pytest.raises(ablate.NotFoundError):
        client.delete_means(library.id)
    with pytest.raises(ablate.NotFoundError):
        client.export_means(library, tmp_path / "none.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["means.safetensors"]
    with pytest.raises(ablate.PreconditionError):
        client.scan("Rome is in", target=" Italy", replace="mean", means=library)
    imported = client.import_means(tmp_path / "means.safetensors")
    assert imported.id == library.id
    assert library.id in [one.id for one in client.means()]


def test_a_damaged_file_is_refused(client, tmp_path):
    (tmp_path / "x").write_bytes(b"no safetensors at all")
    with pytest.raises(ablate.InvalidRequestError):
        client.import_means(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        client.import_means(tmp_path / "y")


def test_what_cannot_be_meant_is_refused(client):
    with pytest.raises(ValueError, match="mode 'all'"):
        client.compute_means(TEXTS, mode="all")
    with pytest.raises(ValueError, match="positionwise means have position 0 anyway"):
        client.compute_means(TEXTS, include_first_position=True)
    with pytest.raises(TypeError, match="did you mean 'source'"):
        client.compute_means(TEXTS, sourc="clean")
    with pytest.raises(ablate.InvalidRequestError) as caught:
        client.compute_means([{"prompt": "Rome", "mine": 1}], group_by_template=True)
    assert caught.value.violations[0].field.startswith("prompts[0]")
