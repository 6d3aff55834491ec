"""Requests as files: what `ablate scan --spec` reads and `--print-spec` writes."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from ablate import _files
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest


def read_request(path: str | os.PathLike[str]) -> AblateRequest:
    """A request from a file in protobuf JSON, for `scan`. ValueError where it is none; OSError.

    >>> import ablate
    >>> path = folder / "berlin.json"
    >>> ablate.write_request(ablate.request("Berlin is the capital of", target=" Germany"), path)
    >>> len(client.scan(ablate.read_request(path)))
    145
    """
    try:
        return Parse(Path(path).read_text(encoding="utf-8"), AblateRequest())
    except ParseError as error:
        raise ValueError(f"{Path(path).name}: not an AblateRequest in protobuf JSON: {error}") from None


def write_request(request: AblateRequest, path: str | os.PathLike[str]) -> None:
    """Writes what `read_request` and `ablate scan --spec` read. The file appears only when it is whole. OSError.

    >>> import ablate
    >>> ablate.write_request(ablate.request("Rome is in", sweep="layers"), folder / "rome.json")
    >>> ablate.read_request(folder / "rome.json").sweep.WhichOneof("kind")
    'layers'
    """
    text = MessageToJson(request, preserving_proto_field_name=True) + "\n"
    _files.write_whole(path, lambda file: file.write(text.encode()))
