"""Parquet files: a scan's own, and those that `python -m ablate parquet` makes of the command line's JSON lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

import ablate
from ablate.__main__ import main
from ablate._json_lines import read_scan
from tests.e2e.programs import OK, Server
from tests.e2e.programs import ablate as run_ablate

PROMPTS = [
    {"prompt": "Berlin is the capital of", "target": " Germany", "contrast": " France", "template": "a", "mine": 1},
    {"prompt": "Rome is the capital of", "target": " Italy", "template": "b", "note": 'é\u2028"x"'},
    {"prompt": "Paris is in", "template": "b"},
]
PAIR = "Madrid is the capital of"
ALL = ({"likelihood": True, "summary": True, "top_k": 2, "replace": ["zero", "scale"], "factor": [0.5, 2]},
       ["--likelihood", "--summary", "--top-k", "2", "--replace", "zero", "--replace", "scale", "--factor", "0.5",
        "--factor", "2"])  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": ({**ALL[0], "layers": "0-1"}, [*ALL[1], "--layers", "0-1"]),
    "each position": ({"each_position": True, "positions": "-2,-1", "layers": 5, "summary": True},
                      ["--each-position", "--positions", "-2,-1", "--layers", "5", "--summary"]),
    "all reads": ({"read": "all", "layers": 5}, ["--read", "all", "--layers", "5"]),
    "groups": ({"sweep": "all-but", "groups": {"a": "L5H1+L6H2", "b": "L0H0"}, "random_sets": 2, "summary": True},
               ["--sweep", "all-but", "--groups", "a=L5H1+L6H2;b=L0H0", "--random-sets", "2", "--summary"]),
    "pairs": ({"sweep": "pairs", "sites": "L5H1,L5H3"}, ["--sweep", "pairs", "--sites", "L5H1,L5H3"]),
}  # fmt: skip


def tables(folder: Path) -> dict[str, pyarrow.Table]:
    return {path.name: pyarrow.parquet.read_table(path) for path in folder.iterdir()}


def check_same(ours: Path, theirs: Path) -> set[str]:
    """The files' names."""
    expected, found = tables(ours), tables(theirs)
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name].to_pandas(), table.to_pandas(), check_exact=True)
        assert found[name].schema.remove_metadata() == table.schema.remove_metadata()
        metadata, others = table.schema.metadata, found[name].schema.metadata
        assert {key for key in metadata if key.startswith(b"ablate.")} == {
            key for key in others if key.startswith(b"ablate.")
        }
        for key in metadata:
            if key.startswith(b"ablate."):
                assert json.loads(others[key]) == json.loads(metadata[key])
    return set(expected)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("scan", "lines"):
        (tmp_path / name).mkdir()
    return tmp_path / "scan", tmp_path / "lines"


@pytest.mark.parametrize("name", CASES)
def test_the_command_lines_are_the_scans(server, client, folders, tmp_path, name):
    options, flags = CASES[name]
    data = tmp_path / "facts.jsonl"
    # A summary wants a target in every prompt; elsewhere there are gaps.
    prompts = [prompt for prompt in PROMPTS if "target" in prompt or "summary" not in options]
    data.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    client.scan(data, **options).to_parquet(folders[0] / "x.parquet")
    lines = tmp_path / "results.jsonl"
    done = run_ablate(server, "scan", "--prompts", data, *flags, "--format", "jsonl", "--output", lines)
    assert done.returncode == OK, done.stderr
    assert main(["parquet", str(lines), str(folders[1] / "x.parquet")]) == 0
    names = check_same(*folders)
    assert ("x.summary.parquet" in names) == ("--summary" in flags)
    assert ("x.likelihood.parquet" in names) == ("--likelihood" in flags)


def test_a_pair_with_its_effects(server, client, folders, monkeypatch):
    scan = client.scan(
        PROMPTS[0]["prompt"], target=" Germany", contrast=" France", corrupted=PAIR, layers=5, effects=True,
        compensation=True, replace=["resample", "zero"], direction=["noising", "denoising"],
    )  # fmt: skip
    scan.to_parquet(folders[0] / "x")
    done = run_ablate(
        server, "scan", "--prompt", str(PROMPTS[0]["prompt"]), "--target", " Germany", "--contrast", " France",
        "--corrupted", PAIR, "--layers", "5", "--effects", "--compensation", "--replace", "resample", "--replace",
        "zero", "--direction", "noising", "--direction", "denoising", "--format", "jsonl",
    )  # fmt: skip
    assert done.returncode == OK, done.stderr
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(done.stdout.encode())))
    assert main(["parquet", "-", str(folders[1] / "x")]) == 0
    assert check_same(*folders) == {"x", "x.compensation.parquet"}
    parts = tables(folders[0])["x.compensation.parquet"].to_pandas()
    of_first = parts[: 144 + 12 + 1]
    row = scan.to_pandas().query("variant == @of_first.variant[0] and replacement == @of_first.replacement[0]")
    expected = row.delta_logit_diff.item() - row.direct_effect.item()
    assert of_first.change.sum() == pytest.approx(expected, abs=1e-4)
    assert of_first.part.tolist()[-2:] == ["L11MLP", "layer_norm"]


def test_float64_stays_float64(tmp_path, folders):
    server = Server(tmp_path, "--precision", "float64", "--means-dir", "none", "--jobs-dir", "none")
    try:
        with ablate.connect(server.address) as client:
            client.wait_ready(60)
            client.scan("Rome is in", target=" Italy", layers=5, likelihood=True).to_parquet(folders[0] / "x.parquet")
        lines = tmp_path / "results.jsonl"
        prompt = ["--prompt", "Rome is in", "--target", " Italy", "--layers", "5", "--likelihood"]
        assert run_ablate(server, "scan", *prompt, "--format", "jsonl", "--output", lines).returncode == OK
    finally:
        server.stop()
    assert main(["parquet", str(lines), str(folders[1] / "x.parquet")]) == 0
    check_same(*folders)
    assert pd.read_parquet(folders[1] / "x.parquet").entropy.dtype == "float64"


@pytest.fixture(scope="module")
def lines(server) -> list[str]:
    prompts = [{"prompt": f"{city} is in", "target": " Italy"} for city in ("Rome", "Berlin")]
    text = "".join(json.dumps(prompt) + "\n" for prompt in prompts)
    flags = ["--layers", "5", "--likelihood", "--summary", "--format", "jsonl"]
    done = run_ablate(server, "scan", "--prompts", "-", *flags, input=text)
    assert done.returncode == OK, done.stderr
    return done.stdout.splitlines()


def test_prompts_that_are_not_stored_yet_have_no_figures(lines):
    behind = [line for line in lines[1:] if '"prompt_index": 1' in line]
    notes: list[str] = []
    scan = read_scan([lines[0], *behind], "x", notes.append)
    assert scan.to_pandas().groupby("prompt_index").entropy.count().tolist() == [0, 13]
    assert notes == ["1 of 2 prompts have no rows: of a partial job, or is the file cut off?"]
    read_scan(lines, "x", notes.append)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "x: expected a manifest in the first line"),
        (lambda lines: lines[1:], "x: expected a manifest in the first line"),
        (lambda lines: ["prompt_index,replacement\n"], "x, line 1: expected an object in JSON"),
        (lambda lines: lines[:5], "x: the rows of prompt 0 are not whole"),
        (lambda lines: lines[:14], "x: the likelihood of prompt 0 are not whole"),
        (lambda lines: [lines[0], *lines[14:]], "x: the rows of prompt 0 are not whole"),
        (lambda lines: lines[:-1], "x: the summary has 11 of 12 entries; is the file whole?"),
        (lambda lines: lines[:-12], "x: the summary has 0 of 12 entries; is the file whole?"),
        (lambda lines: [*lines[:-13], *lines[-12:]], "x: the summary has 12 of 12 entries and no head"),
        (lambda lines: [*lines[:-1], lines[-1][:30]], "line 66: expected an object in JSON"),
        (lambda lines: [*lines[:-1], lines[-1].replace('"zero"', '"other"')], "x: 'other' is missing"),
        (lambda lines: [lines[0], lines[1].replace('_index": 0', '_index": 0.5')], "x, line 2: only integers"),
        (lambda lines: ['{"manifest": {"variants": [], "prompts": [5]}}'], "x: expected a manifest in the first line"),
        (lambda lines: [lines[0].replace('"sites"', '"s"')], "x: list index out of range"),
        (lambda lines: [lines[0], lines[2]], "line 2: `replacement` is 'zero', expected None: rows out of their order"),
        (lambda lines: [*lines, lines[1]], "prompt 0 has more entries than the manifest says"),
        (lambda lines: [*lines, '{"other": 1}'], "expected a row, or what stands behind one; got other"),
        (lambda lines: [lines[0], lines[1].replace('"entropy"', '"news"')], "no column `news` is known"),
        (lambda lines: [lines[0], lines[1].replace('"variant"', '"v"')], "'variant' is missing"),
    ],
)  # fmt: skip
def test_another_file_is_refused(lines, change, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        read_scan(change(lines), "x")


def test_the_command_says_what_went_wrong(lines, tmp_path, capsys):
    out = str(tmp_path / "x.parquet")
    assert main(["parquet", str(tmp_path / "none.jsonl"), out]) == 1
    assert "none.jsonl" in capsys.readouterr().err
    (tmp_path / "facts.csv").write_text("prompt_index,variant\n0,baseline\n")
    assert main(["parquet", str(tmp_path / "facts.csv"), out]) == 2
    assert "facts.csv, line 1: expected an object in JSON" in capsys.readouterr().err
    assert not Path(out).exists()
    (tmp_path / "part.jsonl").write_text("\n".join(lines[:27]))
    assert main(["parquet", str(tmp_path / "part.jsonl"), out]) == 0
    assert "note: 1 of 2 prompts have no rows" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["parquet", "--help"])
    assert ended.value.code == 0
    assert "ablate job results ID --format jsonl | python -m ablate parquet - " in capsys.readouterr().out


def test_what_was_run_is_in_the_files_as_in_json_lines(server, client, tmp_path):
    manifest = json.loads(run_ablate(server, "scan", "--prompt", "Rome is in", "--target", " Italy", "--layers", "5",
                                     "--format", "jsonl").stdout.splitlines()[0])["manifest"]  # fmt: skip
    scan = client.scan("Rome is in", target=" Italy", layers=5, summary=True)
    scan.to_parquet(tmp_path / "x.parquet")
    for name in ("x.parquet", "x.summary.parquet"):
        found = json.loads(pyarrow.parquet.read_schema(tmp_path / name).metadata[b"ablate.manifest"])
        assert found == manifest
    assert found["prompts"][0]["token_texts"] == ["R", "ome", " is", " in"]
    assert len(found["variants"]) == 12


def test_carried_columns_of_any_kind_are_kept(client, tmp_path):
    mixed: list[Any] = [1, "two", None]
    objects: list[Any] = [{}, {"a": 1}, [{"b": 2}]]
    lists = [[1, 2], [], None]
    large = [2**70, 1, None]
    prompts = [
        {"prompt": "Rome is in", "mixed": mixed[i], "object": objects[i], "list": lists[i], "large": large[i], "n": i}
        for i in range(3)
    ]
    scan = client.scan(prompts, sites="L5H3")
    scan.to_parquet(tmp_path / "x.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet").filter(pc.field("variant") == "L5H3").to_pydict()
    for name, values in {"mixed": mixed, "object": objects, "large": large}.items():
        assert [None if text is None else json.loads(text) for text in table[f"fields.{name}"]] == values
    assert table["fields.list"] == lists
    assert table["fields.n"] == [0, 1, 2]
    metadata = pyarrow.parquet.read_schema(tmp_path / "x.parquet").metadata
    assert json.loads(metadata[b"ablate.json_columns"]) == ["fields.mixed", "fields.object", "fields.large"]
    assert scan.fields[0]["object"] == {}
