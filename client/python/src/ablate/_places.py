"""Arguments that name layers, heads, sites and positions: as `ablate scan`'s flags or Python values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

from ablate._proto.ablation.v1.experiment_pb2 import PositionRange, Positions, SiteGroup

#: `0-11`, `0,3,5-7`, a number, or numbers.
Ranges = str | int | Iterable[int]
#: `L5H3`, `L5H3,L9H*`, (5, 3), or many of these.
Sites = str | tuple[int, int] | Iterable[str | tuple[int, int]]
#: `all`, `last`, `0,3,-1`, `2:5`, a number, a slice, or many of these.
Places = str | int | slice | Iterable[int | slice]
#: `movers=L9H9+L9H6;induction=L5H1`, a mapping from names to sites, or many texts.
Groups = str | Mapping[str, Sites] | Iterable[Any]


def ranges(name: str, value: Ranges) -> list[int]:
    """Numbers without repeats. ValueError names the part at fault."""
    if not isinstance(value, str):
        numbers: list[Any] = [value] if isinstance(value, int | Integral) else list(value)
        for number in numbers:
            if not _is_integer(number) or not 0 <= number <= 9999:
                raise ValueError(f"{name}: {number!r} is not a number from 0 to 9999")
        return _without_repeats(name, [int(number) for number in numbers])
    result: list[int] = []
    for part in value.split(","):
        ends = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip(), re.ASCII)
        if ends is None or (ends[2] is not None and int(ends[2]) < int(ends[1])):
            raise ValueError(
                f"{name} {value!r}: {part.strip()!r} is no range; expected numbers such as 0-11 or 0,3,5-7"
            )
        result.extend(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return _without_repeats(name, result)


def sites(name: str, value: Sites) -> list[str]:
    """Sites and patterns as the server reads them; what they name, it knows."""
    if isinstance(value, str):
        result = [site.strip() for site in re.split(r"[,+]", value)]
    elif isinstance(value, tuple) and len(value) == 2 and all(map(_is_integer, value)):
        result = [f"L{value[0]}H{value[1]}"]
    else:
        result = [one for part in value for one in sites(name, part)]  # type: ignore[arg-type]
    if not result or not all(result):
        raise ValueError(f"{name} {value!r}: a site is missing; expected sites such as L5H3 or patterns such as L9H*")
    return result


def groups(name: str, value: Groups) -> list[SiteGroup]:
    if isinstance(value, Mapping):
        return [SiteGroup(name=str(key), sites=sites(f"{name}[{key!r}]", of)) for key, of in value.items()]
    if not isinstance(value, str):
        return [
            group
            for part in value
            for group in (groups(name, part) if isinstance(part, str | Mapping) else [_unnamed(name, part)])
        ]
    result = []
    for part in filter(None, (part.strip() for part in value.split(";"))):
        title, equals, listed = part.rpartition("=")
        result.append(SiteGroup(name=title.strip() if equals else "", sites=sites(name, listed)))
    return result


def positions(name: str, value: Places) -> Positions | None:
    """None: all. ValueError names the part at fault."""
    if isinstance(value, str):
        if value.strip() == "all":
            return None
        parts: list[Any] = [part.strip() for part in value.split(",")]
    elif isinstance(value, slice) or _is_integer(value):
        parts = [value]
    else:
        parts = list(value)  # type: ignore[arg-type]
        if not parts:
            raise ValueError(f"{name}: got nothing, expected positions")
    result = Positions()
    for part in parts:
        found = _position(part)
        if isinstance(found, PositionRange):
            result.ranges.append(found)
        elif found is not None:
            result.positions.append(found)
        else:
            raise ValueError(
                f"{name} {value!r}: {part!r} is no position; expected all, last, or positions and ranges such as "
                "0,3,-1 or 2:5"
            )
    return result


def _position(part: Any) -> int | PositionRange | None:
    if isinstance(part, slice):
        if part.step not in (None, 1):
            return None
        return _range(part.start, part.stop)
    if _is_integer(part):
        return int(part)
    if not isinstance(part, str):
        return None
    if part == "last":
        return -1
    if re.fullmatch(r"-?\d{1,9}", part, re.ASCII):
        return int(part)
    ends = re.fullmatch(r"(-?\d{1,9})?\s*:\s*(-?\d{1,9})?", part, re.ASCII)
    return _range(*(None if end is None else int(end) for end in ends.groups())) if ends else None


def _range(begin: int | None, end: int | None) -> PositionRange:
    made = PositionRange()
    if begin is not None:
        made.begin = begin
    if end is not None:
        made.end = end
    return made


def _unnamed(name: str, part: Any) -> SiteGroup:
    return part if isinstance(part, SiteGroup) else SiteGroup(sites=sites(name, part))


def _without_repeats(name: str, numbers: list[int]) -> list[int]:
    for number in numbers:
        if numbers.count(number) > 1:
            raise ValueError(f"{name}: {number} is named a second time")
    return numbers


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
