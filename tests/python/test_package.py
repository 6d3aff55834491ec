"""The package as a whole: its version, its generated code, its examples."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import pkgutil
import pydoc
import re
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from typing import Any, get_type_hints

import pytest

import ablate
from ablate import plot
from ablate.interop import labels, nnsight, transformer_lens
from ablate.options import MeansOptions, ScanOptions
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


@pytest.mark.parametrize(
    "call", [ablate.request, ablate.Client.scan, ablate.Client.explain, ablate.Client.submit, ablate.AsyncClient.stream]
)
def test_help_spells_the_options_out(call):
    parameters = inspect.signature(call).parameters
    assert {"prompts", "sweep", "target", "seed"} <= parameters.keys()
    assert "options" not in parameters
    assert str(parameters["sweep"].annotation) == "SweepKind"
    text = pydoc.plain(pydoc.render_doc(call))
    assert 'target: The token measured, with its leading space, e.g. " Germany"' in text
    assert "seed: Of `random_sets` and `summary`" in text


def test_every_option_is_told_about():
    for options in (ScanOptions, MeansOptions):
        for name, hint in get_type_hints(options, include_extras=True).items():
            (words,) = hint.__metadata__
            assert words.endswith("."), name


def _examples() -> list[Any]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for module in pkgutil.walk_packages(ablate.__path__, "ablate."):
        if "._proto" not in module.name:
            found += finder.find(importlib.import_module(module.name))
    found += finder.find(ablate)
    # A name that a module imports belongs to the module that defines it.
    return [test for test in {t.name: t for t in found}.values() if test.examples]


class _Awaits(ast.NodeTransformer):
    """`await x` at a prompt, as `python -m asyncio` and notebooks have it, for a runner that knows none."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return ast.Call(ast.Name("_wait_for", ast.Load()), [self.generic_visit(node).value], [])

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node


def _without_awaits(source: str) -> str:
    tree = ast.parse(source)
    return ast.unparse(ast.fix_missing_locations(_Awaits().visit(tree))) + "\n" if "await " in source else source


@pytest.mark.parametrize("example", _examples(), ids=lambda test: test.name)
def test_the_examples_run(example, server, client, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    asynchronous = _is_async(example.name)
    with asyncio.Runner() as runner:
        named = ablate.connect_async(server.address) if asynchronous else client
        example.globs.update(client=named, address=server.address, folder=tmp_path)
        if asynchronous:
            example.globs["_wait_for"] = lambda awaited: runner.run(_awaited(awaited))
            for one in example.examples:
                one.source = _without_awaits(one.source)
        report: list[str] = []
        doctests = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        doctests.run(example, out=report.append, clear_globs=False)
        if asynchronous:
            runner.run(named.close())
    assert not doctests.failures, "".join(report)


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _is_async(name: str) -> bool:
    return any(module in name for module in ("ablate.aio.Async", "ablate.async_", "ablate._async_"))


def _public() -> Iterator[tuple[str, Any]]:
    """What people call or read: names of the public modules, and the public parts of their classes."""
    for module in (ablate, plot, labels, nnsight, transformer_lens):
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield f"{module.__name__}.{name}", value
            elif inspect.isclass(value):
                yield from ((f"{module.__name__}.{name}.{part}", what) for part, what in _parts(value))


def _parts(of: type[Any]) -> Iterator[tuple[str, Any]]:
    for owner in of.__mro__:
        ours = owner.__module__.startswith("ablate") and "._proto" not in owner.__module__
        for name, value in vars(owner).items() if ours else ():
            if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                yield name, value


def test_every_public_call_has_an_example_and_every_property_its_words():
    told = dict(_public())
    assert len(told) > 80
    properties = {name for name, value in told.items() if isinstance(value, property)}
    assert not [name for name in properties if not (told[name].__doc__ or "").strip()]
    assert not [name for name in told.keys() - properties if ">>> " not in (told[name].__doc__ or "")]
