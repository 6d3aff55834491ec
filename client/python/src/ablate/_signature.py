"""Signatures that tell people what type checkers see."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def spelled_out(options: type[Any]) -> Callable[[F], F]:
    """Shows each of the options (a TypedDict) in the place of `**options`, for `help()` and completion."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        # None is as if left out.
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_text(annotation))
            for name, annotation in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*named, *extra])  # type: ignore[attr-defined]
        return function

    return decorate


def _text(annotation: Any) -> Any:
    return getattr(annotation, "__forward_arg__", annotation)
