"""The bar: for people who watch, and long calls."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import ablate
from ablate import _calls, _progress
from ablate._progress import Progress
from ablate._proto.ablation.v1.means_pb2 import ComputeMeansResponse, MeanLibrary

SCAN = {"prompts": ["Rome is in", "Bonn is in"], "target": " Italy", "layers": 0}


def test_nobody_who_does_not_watch_sees_it(client, capsys):
    client.scan(**SCAN)
    assert capsys.readouterr().err == ""


def test_asked_for_it_counts_the_rows(client, capsys):
    client.scan(**SCAN, progress=True)
    assert "/26 " in capsys.readouterr().err


def test_a_short_call_shows_none_where_somebody_watches(client, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "_is_watched", lambda: True)
    client.scan(**SCAN)
    assert capsys.readouterr().err == ""


def test_it_counts_means_prompts(fake, capsys):
    library = ComputeMeansResponse(library=MeanLibrary(id="x"))
    fake.answer(_calls.COMPUTE_MEANS, [ComputeMeansResponse(prompts_done=1), library])
    with ablate.connect(fake.address) as client:
        assert client.compute_means(SCAN["prompts"], progress=True).id == "x"
    assert "/2 " in capsys.readouterr().err


def test_it_goes_away_with_an_error(capsys):
    def fail() -> None:
        with Progress(True, "rows") as bar:
            bar.show(1, 2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().err.endswith("\r")


def test_a_notebook_is_watched(monkeypatch):
    assert not _progress._is_notebook()
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert _progress._is_watched()
