"""The package as a whole: its version, its generated code, its examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from typing import Any

import pytest

import ablate
from tests.oracle.models import ROOT
from tools.python import generate_proto


def test_the_version_is_the_projects():
    found = re.search(r"project\(ablate VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert found is not None
    assert ablate.__version__ == found[1]


def test_the_generated_code_is_that_of_the_contract(tmp_path):
    generate_proto.generate(tmp_path / "_proto")
    made = sorted(p.relative_to(tmp_path / "_proto") for p in (tmp_path / "_proto").rglob("*.py*"))
    assert len(made) > 10
    for path in made:
        assert (generate_proto.OUT / path).read_text() == (tmp_path / "_proto" / path).read_text(), (
            "./run setup makes it"
        )


def test_every_public_name_is_there_and_told_about():
    for name in ablate.__all__:
        assert hasattr(ablate, name)
        # Protobuf's messages have their words in the contract.
        if name not in ("__version__", "AblateRequest"):
            assert (getattr(ablate, name).__doc__ or "").strip(), name


def test_importing_loads_neither_matplotlib_nor_torch():
    code = "import sys, ablate; print([m for m in ('matplotlib', 'torch', 'tqdm') if m in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "client" / "python" / "src"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_imports_where_nothing_forks():
    """On Windows os has neither fork nor register_at_fork."""
    environment = {"PYTHONPATH": str(ROOT / "client" / "python" / "src"), "PATH": ""}
    code = "import os; del os.fork, os.register_at_fork; import ablate"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("call", [ablate.request, ablate.Client.scan, ablate.Client.submit, ablate.AsyncClient.stream])
def test_help_spells_the_options_out(call):
    parameters = inspect.signature(call).parameters
    assert {"prompts", "sweep", "target", "seed"} <= parameters.keys()
    assert "options" not in parameters


def _examples() -> list[Any]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for module in pkgutil.walk_packages(ablate.__path__, "ablate."):
        if "._proto" not in module.name:
            found += finder.find(importlib.import_module(module.name))
    found += finder.find(ablate)
    # A name that a module imports belongs to the module that defines it.
    return [test for test in {t.name: t for t in found}.values() if test.examples]


@pytest.mark.parametrize("example", _examples(), ids=lambda test: test.name)
def test_the_examples_run(example, server, client, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    example.globs.update(client=client, address=server.address, folder=tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(example, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


def test_the_public_calls_have_examples():
    named = {test.name for test in _examples()}
    for name in (
        "client.Client.scan",
        "client.Client.stream",
        "_connect.connect",
        "scan.Scan.array",
        "scan.Scan.to_pandas",
    ):
        assert f"ablate.{name}" in named
