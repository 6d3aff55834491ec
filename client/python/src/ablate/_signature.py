"""Signatures that tell people what type checkers see, and docstrings what each option is."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_WIDTH = 108


def spelled_out(options: type[Any]) -> Callable[[F], F]:
    """Shows each of the options (a TypedDict) in the place of `**options`, for `help()` and completion.

    Their own words come behind the docstring, as its section "Options".
    """
    described = {name: _parts(annotation) for name, annotation in options.__annotations__.items()}

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        # None is as if left out.
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, (kind, _) in described.items()
        ]
        function.__signature__ = signature.replace(parameters=[*named, *extra])  # type: ignore[attr-defined]
        lines = ["Options:", *(_entry(name, words) for name, (_, words) in described.items())]
        function.__doc__ = inspect.cleandoc(function.__doc__ or "") + "\n\n" + "\n".join(lines)
        return function

    return decorate


def _parts(annotation: Any) -> tuple[str, str]:
    """Of an option's `Annotated[TYPE, WORDS]` both, as they are written: evaluated, names of types would be gone."""
    source = ast.parse(getattr(annotation, "__forward_arg__", annotation), mode="eval").body
    assert isinstance(source, ast.Subscript) and isinstance(source.slice, ast.Tuple), ast.unparse(source)
    kind, words = source.slice.elts
    return ast.unparse(kind), ast.literal_eval(words)


def _entry(name: str, words: str) -> str:
    return textwrap.fill(f"{name}: {words}", _WIDTH, initial_indent="    ", subsequent_indent="        ")
