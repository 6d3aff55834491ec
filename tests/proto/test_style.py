"""The contract's style: what buf's STANDARD category asks for, and a comment on everything."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

PROTO = Path(__file__).resolve().parents[2] / "proto"
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
# Field numbers within descriptor.proto: paths of SourceCodeInfo are made of these.
MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, NESTED_ENUM, ONEOF = 2, 3, 4, 8
METHOD, VALUE = 2, 2


def compile_contract(root: Path, folder: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    protoc = shutil.which("protoc")
    assert protoc, "protoc is not installed (apt: protobuf-compiler)"
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    assert files
    out = folder / "contract.pb"
    subprocess.run([protoc, f"-I{root}", "--include_source_info", f"--descriptor_set_out={out}", *files], check=True)
    return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


Element = tuple[str, tuple[int, ...], str]  # kind, path, name


def message_elements(message: descriptor_pb2.DescriptorProto, path: tuple[int, ...]) -> Iterator[Element]:
    yield "message", path, message.name
    for i, field in enumerate(message.field):
        yield "field", (*path, FIELD, i), field.name
    # An `optional` field has a oneof of its own that nobody wrote.
    written = {f.oneof_index for f in message.field if f.HasField("oneof_index") and not f.proto3_optional}
    for i, oneof in enumerate(message.oneof_decl):
        if i in written:
            yield "oneof", (*path, ONEOF, i), oneof.name
    for i, nested in enumerate(message.nested_type):
        yield from message_elements(nested, (*path, NESTED, i))
    for i, enum in enumerate(message.enum_type):
        yield from enum_elements(enum, (*path, NESTED_ENUM, i))


def enum_elements(enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...]) -> Iterator[Element]:
    yield "enum", path, enum.name
    for i, value in enumerate(enum.value):
        yield "value", (*path, VALUE, i), value.name


def elements(file: descriptor_pb2.FileDescriptorProto) -> Iterator[Element]:
    for i, message in enumerate(file.message_type):
        yield from message_elements(message, (MESSAGE, i))
    for i, enum in enumerate(file.enum_type):
        yield from enum_elements(enum, (ENUM, i))
    for i, service in enumerate(file.service):
        yield "service", (SERVICE, i), service.name
        for j, method in enumerate(service.method):
            yield "method", (SERVICE, i, METHOD, j), method.name


STYLE = {
    "message": PASCAL,
    "field": SNAKE,
    "oneof": SNAKE,
    "enum": PASCAL,
    "value": UPPER,
    "service": PASCAL,
    "method": PASCAL,
}


def enums_of(file: descriptor_pb2.FileDescriptorProto) -> Iterator[descriptor_pb2.EnumDescriptorProto]:
    yield from file.enum_type
    todo = list(file.message_type)
    while todo:
        message = todo.pop()
        yield from message.enum_type
        todo.extend(message.nested_type)


def problems(files: list[descriptor_pb2.FileDescriptorProto]) -> list[str]:
    """What is wrong, each with its place; empty where all is well."""
    found: list[str] = []
    request_types: list[str] = []
    for file in files:
        folder = "/".join(file.name.split("/")[:-1])
        if file.package.replace(".", "/") != folder or not re.search(r"\.v[1-9][0-9]*$", file.package):
            found.append(f"{file.name}: package {file.package} does not follow its folder or has no version")
        if not SNAKE.fullmatch(file.name.split("/")[-1].removesuffix(".proto")):
            found.append(f"{file.name}: the file's name is not snake_case")
        comments = {tuple(at.path): at.leading_comments.strip() for at in file.source_code_info.location}
        for kind, path, name in elements(file):
            where = f"{file.name}: {kind} {name}"
            if not STYLE[kind].fullmatch(name):
                found.append(f"{where} is not in the style of its kind")
            if not comments.get(path):
                if kind == "value" and name.endswith("_UNSPECIFIED"):
                    continue
                found.append(f"{where} has no comment")
        for enum in enums_of(file):
            prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
            for value in enum.value:
                if not value.name.startswith(prefix):
                    found.append(f"{file.name}: value {value.name} does not begin with {prefix}")
            if enum.value[0].number != 0 or enum.value[0].name != prefix + "UNSPECIFIED":
                found.append(f"{file.name}: enum {enum.name} does not begin with {prefix}UNSPECIFIED = 0")
        for service in file.service:
            if not service.name.endswith("Service"):
                found.append(f"{file.name}: service {service.name} does not end in Service")
            for method in service.method:
                for type_name, suffix in ((method.input_type, "Request"), (method.output_type, "Response")):
                    request_types.append(type_name)
                    if type_name.split(".")[-1] != method.name + suffix:
                        found.append(f"{file.name}: method {method.name} does not have its own {method.name}{suffix}")
    if len(set(request_types)) != len(request_types):
        found.append("two methods share a request or a response")
    return found


def test_contract_is_in_style(tmp_path: Path) -> None:
    assert problems(compile_contract(PROTO, tmp_path)) == []


GOOD = """syntax = "proto3";
package lab.v1;
// An enum.
enum Kind {
  KIND_UNSPECIFIED = 0;
  // The one.
  KIND_ONE = 1;
}
// A message.
message AskRequest {
  // A field.
  Kind kind = 1;
  // Maybe.
  optional int32 count = 2;
}
// A message.
message AskResponse {}
// A service.
service LabService {
  // A method.
  rpc Ask(AskRequest) returns (AskResponse);
}
"""


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("", "", None),
        ("  // A field.\n", "", "field kind has no comment"),
        ("// A message.\nmessage AskR", "message AskR", "message AskRequest has no comment"),
        ("  // A method.\n", "", "method Ask has no comment"),
        ("  // The one.\n", "", "value KIND_ONE has no comment"),
        ("Kind kind = 1", "Kind theKind = 1", "field theKind is not in the style"),
        ("KIND_UNSPECIFIED", "KIND_NONE", "KIND_UNSPECIFIED = 0"),
        ("KIND_ONE", "ONE", "does not begin with KIND_"),
        ("LabService", "Lab", "does not end in Service"),
        ("rpc Ask(", "rpc Tell(", "TellRequest"),
        ("lab.v1", "lab", "has no version"),
        ("lab.v1", "labs.v1", "does not follow its folder"),
    ],
)
def test_the_check_sees(tmp_path: Path, before: str, after: str, says: str | None) -> None:
    folder = tmp_path / "root" / "lab" / "v1"
    folder.mkdir(parents=True)
    (folder / "lab.proto").write_text(GOOD.replace(before, after, 1) if before else GOOD)
    found = problems(compile_contract(tmp_path / "root", tmp_path))
    if says is None:
        assert found == []
    else:
        assert any(says in problem for problem in found), found
