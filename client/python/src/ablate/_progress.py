"""A progress bar in terminals and notebooks, for calls that take longer than a glance."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

# Seconds: what ends sooner shows no bar.
_DELAY = 0.5


class Progress:
    """Counts `unit`s. `wanted` None: where somebody looks, in a terminal or a notebook."""

    def __init__(self, wanted: bool | None, unit: str) -> None:
        self._bar: Any = None
        self._unit = unit
        self._wanted = _is_watched() if wanted is None else wanted
        # Somebody who asks for it sees it at once.
        self._delay = _DELAY if wanted is None else 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int) -> None:
        """`done` of `total`; the first call draws the bar."""
        if not self._wanted:
            return
        if self._bar is None:
            self._bar = _bar_class()(total=total, unit=self._unit, delay=self._delay, leave=False)
        self._bar.update(done - self._bar.n)


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _is_watched() -> bool:
    return _is_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _bar_class() -> Any:
    # Imported where it is needed: most scans are over sooner than tqdm is loaded.
    if _is_notebook():
        try:
            import ipywidgets  # noqa: F401
            from tqdm.notebook import tqdm as notebook_bar

            return notebook_bar
        except ImportError:
            pass
    from tqdm.std import tqdm

    return tqdm
