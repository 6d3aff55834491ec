"""Data sets, from files as the command line reads them, and from memory."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ablate
from ablate._proto.ablation.v1.experiment_pb2 import Prompt
from tests.python.test_requests import cli

CSV = (
    'prompt,target,contrast,corrupted,template,mine\r\n"Rome, is in", Italy, Spain,"Bern, is in",t1,x\r\n'
    "\r\nBerlin is in, Germany,,,2,\r\n"
)
FILES = {
    "a.csv": CSV,
    "lists.csv": 'clean,targets,contrasts\nRome is,"["" a"", "" b""]","["" c""]"\n',
    "ids.csv": 'token_ids,target_id,contrast_id\n"[1, 2]",3,4\n',
    "bom.csv": "\ufeffprompt,target\nRome is, in\n",
    "lines.csv": 'prompt,target\n"Rome\nis"," in"\n',
    "a.jsonl": '{"prompt": "Rome is", "target": " in", "contrast": [" a", 7], "k": {"x": 1}}\n\n'
    '{"clean": [1, 2], "corrupt": [3, 4]}\n',
    "u2028.jsonl": '{"prompt": "Rome\u2028is", "target": " in"}\n',
    "a.json": json.dumps(
        {"prompts": [{"clean": "a", "corrupt": "b", "answers": [" c"], "wrong_answers": [" d", 5], "template": 3}]},
        indent=1,
    ),
    "list.json": json.dumps([{"prompt": "a", "target": " c"}, {"clean": [1, 2], "k": 3}], indent=1),
    "A.JSON": '[{"prompt": "a", "target": " c"}]',
    "A.CSV": "prompt,target\nRome is, in\n",
    "one-line.json": json.dumps({"prompts": [{"clean": "a", "answers": [" c"]}]}),
    "year.csv": "clean,corrupted,label\nThe war lasted from 1741 to 17,The war lasted from 1701 to 17,41\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_the_command_line_reads_it(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode())
    assert ablate.request(path) == cli("--prompts", path)
    assert ablate.request(str(path)) == cli("--prompts", path)


def test_eap_igs_ids_need_their_tokenizers_name(tmp_path, client):
    path = tmp_path / "ioi.csv"
    path.write_text("clean,corrupted,correct_idx,incorrect_idx\nRome is in,Rome is on,3,4\n")
    with pytest.raises(ValueError, match="tokenizer_of"):
        ablate.request(path)
    assert ablate.request(path, tokenizer_of="demo") == cli("--prompts", path, "--tokenizer-of", "demo")
    model = client.describe().model
    for name in (model.name, model.tokenizer_sha256):
        assert client.scan(path, tokenizer_of=name, layers=0).prompts[0].targets[0].id == 3
    with pytest.raises(ValueError, match="the server holds 'demo'"):
        client.scan(path, tokenizer_of="Llama")


WRONG_FILES = {
    "empty.csv": ("", "holds no prompt"),
    "header.csv": ("prompt,target\n", "holds no prompt"),
    "twice.csv": ("prompt,prompt\na,b\n", "the column `prompt` is there twice"),
    "none.csv": ("text2\na\n", "no column `prompt`"),
    "width.csv": ("prompt,target\na\n", "width.csv, line 2: 1 fields, expected 2"),
    "quote.csv": ('prompt,target\n"a,b\n', "quote.csv, line 2"),
    "list.csv": ("prompt,targets\na,b\n", "line 2: `targets`: `b` is not a list in JSON"),
    "id.csv": ("prompt,target_id\na,-3\n", "line 2: `target_id`: `-3` is not a token id"),
    "year.csv": ("clean,corrupted,label\na,b,99\n", "is not a two-digit year from 0 to 98"),
    "json.jsonl": ('{"prompt": "a"}\n{"prompt": \n', "json.jsonl, line 2: not valid JSON"),
    "both.jsonl": ('{"prompt": "a", "clean": "b"}\n', "line 1: `clean`: the prompt is given a second time"),
    "input.jsonl": ('{"target": "a"}\n', "line 1: `prompt` is missing"),
    "bool.jsonl": ('{"prompt": "a", "target": true}\n', "`target`: True is not a token id or a text"),
    "list.json": ('[{"prompt": "a"},\n 3]', "list.json, prompts[1]: expected a mapping"),
    "cut.json": ('[{"prompt": "a"},\n', "cut.json: not valid JSON: Expecting value: line 2"),
    "damaged.parquet": ("PAR1", "damaged.parquet: not valid parquet: "),
    "DAMAGED.PARQUET": ("PAR1", "DAMAGED.PARQUET: not valid parquet: "),
    "number.jsonl": ('{"prompt": 3}\n', "`prompt` is not a text: 3"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_at_fault_is_named_with_its_line(tmp_path, name):
    text, message = WRONG_FILES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        ablate.request(tmp_path / name)
    assert message in str(caught.value)


def test_a_file_that_is_not_utf_8(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"prompt\n\xff\n")
    with pytest.raises(ValueError, match=r"x.csv: not valid UTF-8 at byte 7"):
        ablate.request(tmp_path / "x.csv")


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="given as"):
        ablate.request("nowhere.jsonl")
    with pytest.raises(FileNotFoundError):
        ablate.request(Path("nowhere"))
    assert ablate.request("The file is called data.csv").prompts[0].text == "The file is called data.csv"


def test_a_word_that_is_a_file_is_no_prompt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("facts.tsv").write_text("prompt\ta\n")
    Path("FACTS.CSV").write_text("prompt\na\n")
    with pytest.raises(ValueError, match=r"'facts.tsv' is a file, whose name does not end in .csv, .* pathlib.Path"):
        ablate.request("facts.tsv")
    assert ablate.request("FACTS.CSV").prompts[0].text == "a"
    assert ablate.request("facts.tsv ").prompts[0].text == "facts.tsv "
    assert ablate.request({"prompt": "facts.tsv"}).prompts[0].text == "facts.tsv"
    for text in ("x" * 5000, "x " * 5000 + ".csv", "a\0b", str(tmp_path)):
        assert ablate.request(text).prompts[0].text == text


RECORDS = [
    {"prompt": "Rome is", "target": " in", "template": "t", "mine": 1},
    {"prompt": "Bern is", "target": [" in", " at"], "contrast": 7, "template": "u", "mine": 2},
]


def test_records_are_lines():
    lines = "\n".join(json.dumps(record) for record in RECORDS)
    made = ablate.request(RECORDS)
    assert made == ablate.request(record for record in RECORDS)
    assert made == ablate.request([Prompt(text="Rome is", targets=[{"text": " in"}], template="t"), RECORDS[1]])
    assert len(made.prompts) == 2
    assert lines


@pytest.mark.parametrize("name", ["a.csv", "year.csv", "ids.csv", "lists.csv"])
def test_a_frame_of_a_csv_is_the_csv(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode())
    assert ablate.request(pd.read_csv(io.StringIO(FILES[name]))) == ablate.request(path)


def test_a_frame_with_gaps():
    frame = pd.DataFrame({"prompt": ["a", "b"], "target_id": [3, np.nan], "contrast": [None, " x"], "n": [1, 2]})
    made = ablate.request(frame)
    assert made.prompts[0].targets[0].id == 3
    assert not made.prompts[1].targets
    assert not made.prompts[0].contrasts
    assert made.prompts[1].contrasts[0].text == " x"


def test_parquet(tmp_path):
    frame = pd.DataFrame({"prompt": ["a", "b"], "targets": [[" x", " y"], [" z"]], "mine": [1, 2]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert ablate.request(tmp_path / "x.parquet") == ablate.request(frame)
    pd.DataFrame({"q": ["a"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="x.parquet"):
        ablate.request(tmp_path / "x.parquet")


def test_hugging_face_data_sets():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list([{"prompt": "a", "target": " x"}, {"prompt": "b", "target": " y"}])
    expected = ablate.request([{"prompt": "a", "target": " x"}, {"prompt": "b", "target": " y"}])
    assert ablate.request(table) == expected
    assert ablate.request(table.to_iterable_dataset()) == expected
    with pytest.raises(ValueError, match="splits train, test; give one"):
        ablate.request(datasets.DatasetDict({"train": table, "test": table}))


def test_texts_share_their_answers():
    made = ablate.request(["a", "b"], target=" x", template="t")
    assert [prompt.text for prompt in made.prompts] == ["a", "b"]
    assert all(prompt.targets[0].text == " x" and prompt.template == "t" for prompt in made.prompts)


def test_token_ids():
    assert list(ablate.request([1, 2, 3]).prompts[0].token_ids.ids) == [1, 2, 3]
    assert list(ablate.request(np.array([1, 2])).prompts[0].token_ids.ids) == [1, 2]
    assert [list(p.token_ids.ids) for p in ablate.request([[1, 2], [3]]).prompts] == [[1, 2], [3]]


class Tensor:
    """As torch's: its parts are tensors too, and no numbers."""

    def __init__(self, values: Any) -> None:
        self._array = np.asarray(values)
        self.ndim = self._array.ndim

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        return map(Tensor, self._array)

    def tolist(self) -> Any:
        return self._array.tolist()


def torch_tensor(values: Any) -> Any:
    return pytest.importorskip("torch").tensor(values)


@pytest.mark.parametrize("tensor", [Tensor, torch_tensor])
def test_tensors(tensor):
    assert ablate.request(tensor([1, 2])) == ablate.request([1, 2])
    assert ablate.request(tensor([[1, 2], [3, 4]])) == ablate.request([[1, 2], [3, 4]])
    assert ablate.request([tensor([1, 2]), tensor([3])]) == ablate.request([[1, 2], [3]])
    assert ablate.request(list(tensor([1, 2]))) == ablate.request([1, 2])
    patch = {"replace": "resample", "direction": "noising"}
    answers = {"target": tensor(3), "contrast": tensor([4, 5]), "corrupted": tensor([1, 3])}
    assert ablate.request(tensor([1, 2]), **answers, **patch) == ablate.request(
        [1, 2], target=3, contrast=[4, 5], corrupted=[1, 3], **patch
    )
    record = {"token_ids": tensor([1, 2]), "target": tensor(3), "contrasts": tensor([4]), "corrupted": tensor([5, 6])}
    plain = {"token_ids": [1, 2], "target": 3, "contrasts": [4], "corrupted": [5, 6]}
    assert ablate.request([record]) == ablate.request([plain])


def test_hugging_face_data_sets_in_torchs_format():
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torch")
    table = datasets.Dataset.from_list([{"token_ids": [1, 2], "target_id": 3}, {"token_ids": [4], "target_id": 5}])
    assert ablate.request(table.with_format("torch")) == ablate.request(table)


@pytest.mark.parametrize("prompts", [[], [{}], [3.5], [None], {"prompt": None}, ["a", 3]])
def test_what_is_no_data_set_is_refused(prompts):
    with pytest.raises(ValueError, match=r"prompt"):
        ablate.request(prompts)


def test_answers_beside_a_data_set_are_refused():
    with pytest.raises(ValueError, match="each prompt has its own"):
        ablate.request(RECORDS, target=" x")
    with pytest.raises(ValueError, match="belongs to one prompt"):
        ablate.request(["a", "b"], corrupted="c", replace="resample", direction="noising")


def test_other_columns_come_back_with_the_rows(client):
    scan = client.scan(RECORDS, sites="L0H0")
    assert scan.fields == [{"mine": 1}, {"mine": 2}]
    frame = scan.to_pandas()
    assert frame["fields.mine"].tolist() == [1, 1, 2, 2]
    assert [row["fields.mine"] for row in client.stream(RECORDS, sites="L0H0", prepend_bos=True)].count(2) == 2
