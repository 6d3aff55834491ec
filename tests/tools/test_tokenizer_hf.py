"""The C++ tokenizer against Hugging Face's GPT2TokenizerFast: the same ids and the same text, both ways.

Two vocabularies: GPT-2's real merges, where `../shared/gpt2/merges.txt` is beside the repository (skipped where it is
not), and the bundled model's. The program under test is tests/tokenizer_probe of ABLATE_BUILD_DIR (build/release).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest
from transformers import GPT2TokenizerFast

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("ABLATE_BUILD_DIR", "build/release")
PROBE = BUILD / "tests/tokenizer_probe"
GPT2_MERGES = ROOT.parent / "shared/gpt2/merges.txt"
DEMO = ROOT / "models/demo"
END_OF_TEXT = "<|endoftext|>"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


class Probe:
    """The C++ tokenizer: each call answers a batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _run(self, requests: Iterable[bytes]) -> memoryview:
        data = b"".join(requests)
        done = subprocess.run([PROBE, self.folder], input=data, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        return memoryview(done.stdout)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        raw = [text.encode() for text in texts]
        out = self._run(b"e" + struct.pack("=I", len(text)) + text for text in raw)
        ids, at = [], 0
        for text in texts:
            (count,) = struct.unpack_from("=i", out, at)
            assert count >= 0, repr(text)
            ids.append(list(struct.unpack_from(f"={count}i", out, at + 4)))
            at += 4 + 4 * count
        assert at == len(out)
        return ids

    def encode_error(self, raw: bytes) -> str:
        """The message that bytes are refused with."""
        out = self._run([b"e" + struct.pack("=I", len(raw)) + raw])
        count, length = struct.unpack_from("=iI", out)
        assert count == -1
        return bytes(out[8 : 8 + length]).decode()

    def decode(self, lists: list[list[int]]) -> list[str]:
        """The text of each list of ids."""
        out = self._run(b"d" + struct.pack(f"=I{len(ids)}i", len(ids), *ids) for ids in lists)
        return [raw.decode() for raw in _texts(out)]

    def tokens(self, ids: list[int]) -> list[tuple[str, bytes]]:
        """TokenText and TokenBytes of each id."""
        texts = list(_texts(self._run([b"t" + struct.pack(f"=I{len(ids)}i", len(ids), *ids)])))
        return [(text.decode(), raw) for text, raw in zip(texts[::2], texts[1::2], strict=True)]

    def facts(self) -> tuple[int, int, str]:
        """vocab_size, bos_token_id and sha256."""
        out = self._run([b"v" + struct.pack("=I", 0)])
        return (*struct.unpack_from("=2i", out), bytes(out[8:]).decode())


def _texts(out: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(out):
        (length,) = struct.unpack_from("=I", out, at)
        yield bytes(out[at + 4 : at + 4 + length])
        at += 4 + length


def gpt2_vocabulary(merges: list[str]) -> dict[str, int]:
    """GPT-2's vocab.json follows from its merges: the bytes' characters, the merges, the special token."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    tokens = [chr(byte) for byte in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    tokens += [merge.replace(" ", "") for merge in merges] + [END_OF_TEXT]
    return {token: i for i, token in enumerate(tokens)}


class Pair:
    """Both tokenizers over one folder."""

    def __init__(self, folder: Path) -> None:
        self.probe = Probe(folder)
        self.hf = GPT2TokenizerFast.from_pretrained(folder)

    def hf_encode(self, texts: list[str]) -> list[list[int]]:
        """Hugging Face's ids."""
        return self.hf(texts, add_special_tokens=False)["input_ids"]

    def hf_backend_encode(self, texts: list[str]) -> list[list[int]]:
        """The same from the `tokenizers` object inside, without the wrapper's cost for each text."""
        return [found.ids for found in self.hf.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def hf_decode(self, ids: list[int]) -> str:
        """Hugging Face's text."""
        return self.hf.decode(ids, clean_up_tokenization_spaces=False, skip_special_tokens=False)

    def assert_equal(self, texts: list[str], backend: bool = False, batch: int = 100_000) -> None:
        """The same ids for each text, and decoding them gives the text back."""
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            ours, theirs = self.probe.encode(some), self.hf_backend_encode(some) if backend else self.hf_encode(some)
            wrong = [(t, o, h) for t, o, h in zip(some, ours, theirs, strict=True) if o != h]
            assert not wrong, f"{len(wrong)} differ; the first (text, ours, HF): {[ascii(w) for w in wrong[:5]]}"
            lost = [(t, d) for t, d in zip(some, self.probe.decode(ours), strict=True) if t != d]
            assert not lost, f"{len(lost)} do not come back: {[ascii(pair) for pair in lost[:5]]}"


def make_pair(name: str, factory: pytest.TempPathFactory) -> Pair:
    """Both tokenizers over a vocabulary: `gpt2` or `demo`."""
    assert PROBE.is_file(), f"{PROBE} is not built; build it, or set ABLATE_BUILD_DIR"
    if name == "demo":
        if not (DEMO / "vocab.json").is_file():
            pytest.skip("models/demo holds no tokenizer")
        return Pair(DEMO)
    if not GPT2_MERGES.is_file():
        pytest.skip("GPT-2's merges are not beside the repository (../shared/gpt2/merges.txt)")
    folder = factory.mktemp("gpt2")
    text = GPT2_MERGES.read_text(encoding="utf-8")
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    vocabulary = gpt2_vocabulary(text.splitlines()[1:])
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    return Pair(folder)


@pytest.fixture(scope="module", params=["gpt2", "demo"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Both tokenizers over each vocabulary."""
    return make_pair(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Over GPT-2's vocabulary where it is there, else the bundled one: for what is long and depends on it little."""
    return make_pair("gpt2" if GPT2_MERGES.is_file() else "demo", tmp_path_factory)


def test_facts(pair: Pair) -> None:
    size, bos, sha256 = pair.probe.facts()
    folder = pair.probe.folder
    assert size == len(pair.hf)
    assert bos == pair.hf.bos_token_id == size - 1
    files = (folder / "vocab.json").read_bytes() + (folder / "merges.txt").read_bytes()
    assert sha256 == hashlib.sha256(files).hexdigest()


def test_every_code_point_alone(pair: Pair) -> None:
    pair.assert_equal([chr(c) for c in CODE_POINTS], backend=True)


@pytest.mark.parametrize("context", ["a{}", " {}", "1{}", "{}a ", "!{} {}", "\n{}\n", "{}{}", "'s{}'ll"])
def test_every_code_point_in_context(one_pair: Pair, context: str) -> None:
    texts = [
        "".join(context.replace("{}", chr(c)) for c in CODE_POINTS[i : i + 64]) for i in range(0, len(CODE_POINTS), 64)
    ]
    one_pair.assert_equal(texts, backend=True)


WORDS = ["s", "t", "re", "ve", "m", "ll", "d"]
CONTRACTIONS = [q + w for q in ("'", "\u2019", " '") for s in WORDS for w in (s, s.upper())]


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["", " ", "Berlin is the capital of", " Germany", "Hello world"], id="plain"),
        pytest.param(
            [p + c + s for p in ("", "I", " ", "1", "\n") for c in CONTRACTIONS for s in ("", "x", " x", "1")],
            id="contractions",
        ),
        pytest.param(
            [p + " " * n + s for n in range(70) for p in ("", "a", "\n") for s in ("", "a", "1", ".", "\n", "\t")],
            id="spaces",
        ),
        pytest.param(
            [
                a + b * n + c
                for a in ("", "x")
                for b in ("\r\n", "\n\n", "\t", "\u00a0", "\u3000", "\u2028")
                for n in (1, 2, 3, 9)
                for c in ("", "x", " x", " ")
            ],
            id="line ends and other spaces",
        ),
        pytest.param(
            ["".join(map(chr, range(128))), *(chr(a) + chr(b) for a in range(128) for b in range(128))],
            id="control bytes",
        ),
        pytest.param(
            [
                "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
                "\U0001f3f3\ufe0f\u200d\U0001f308",
                "\U0001f1e9\U0001f1ea",
                "\U0001f44d\U0001f3fd!",
                "e\u0301 \u0915\u094d\u0937",
                "\u0e01\u0e33",
            ],
            id="emoji and marks",
        ),
        pytest.param(
            [
                f"a{END_OF_TEXT}b",
                f" {END_OF_TEXT} ",
                END_OF_TEXT * 3,
                f"x  {END_OF_TEXT}",
                "<|endoftext|",
                f"<|end{END_OF_TEXT}",
                "<|ENDOFTEXT|>",
                f"\n\n{END_OF_TEXT}\n\n",
                f"<{END_OF_TEXT}>",
            ],
            id="special token",
        ),
        pytest.param(
            ["a" * 10_000, "ab" * 9_999, " " * 10_000, "the" * 5_000, "=" * 4_097, "\U0001f600" * 3_000], id="long runs"
        ),
    ],
)
def test_texts(pair: Pair, texts: list[str]) -> None:
    pair.assert_equal(texts)


PARTS = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "'s",
    "'ll",
    "'T",
    "don't",
    "the",
    " capital",
    "Zürich",
    "北京",
    "1789",
    "½",
    "Ⅷ",
    "\u00a0",
    "\u200b",
    "\u200d",
    "😀",
    "👩‍🚀",
    "é",
    "e\u0301",
    "ß",
    "ـ",
    "हिन्दी",
    "한국어",
    "...",
    "—",
    "<|",
    "|>",
    END_OF_TEXT,
    "_",
    "\x00",
    "\x1c",
    "\x85",
    "\ufeff",
    "\U000e0041",
    "\U00031350",
    "\uffff",
]


@pytest.mark.parametrize("seed", range(4))
def test_random_mixtures(pair: Pair, seed: int) -> None:
    random = Random(seed)

    def part() -> str:
        kind = random.random()
        if kind < 0.5:
            return random.choice(PARTS)
        if kind < 0.7:
            return chr(random.choice(CODE_POINTS))
        if kind < 0.85:
            return chr(random.randrange(0x80, 0x3000))
        return "".join(random.choices("abcdefghijklmnopqrstuvwxyzETAOIN '.,0123456789", k=random.randrange(1, 12)))

    pair.assert_equal(["".join(part() for _ in range(random.randrange(1, 24))) for _ in range(10_000)])


def test_real_files(pair: Pair) -> None:
    """Source and prose of the repository and of Python's standard library."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("tools/**/*.py"), *sorted(Path(os.__file__).parent.glob("*.py"))[:60]]
    pair.assert_equal([path.read_text(encoding="utf-8", errors="replace") for path in paths])


def test_text_of_every_token(pair: Pair) -> None:
    ids = list(range(len(pair.hf)))
    tokens = pair.probe.tokens(ids)
    wrong = [i for i, (text, _) in zip(ids, tokens, strict=True) if text != pair.hf_decode([i])]
    assert not wrong, wrong[:10]
    assert [text for text, _ in tokens] == [raw.decode(errors="replace") for _, raw in tokens]
    if len(ids) == 50257:  # the real GPT-2
        not_utf8 = [i for i, (_, raw) in zip(ids, tokens, strict=True) if raw.decode(errors="ignore").encode() != raw]
        assert len(not_utf8) == 344


def test_text_of_random_ids(pair: Pair) -> None:
    random = Random(5)
    size = len(pair.hf)
    # The bytes' own tokens come first: lists of them are mostly broken UTF-8.
    lists = [
        [random.randrange(top) for _ in range(random.randrange(12))] for top in (256, 400, size) for _ in range(5000)
    ]
    ours = pair.probe.decode(lists)
    wrong = [(ids, ours[i]) for i, ids in enumerate(lists) if ours[i] != pair.hf_decode(ids)]
    assert not wrong, wrong[:5]


def test_a_megabyte_of_one_letter(pair: Pair) -> None:
    """A quadratic merge would need hours for it; the probe's time limit is minutes."""
    texts = ["a" * 1_000_000, " " * 1_000_000]
    ids: list[list[list[int]]] = []
    thread = threading.Thread(target=lambda: ids.append(pair.probe.encode(texts)))
    thread.start()
    theirs = pair.hf_encode(texts)
    thread.join(timeout=120)
    assert ids == [theirs]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"ab\xff", "the text is not UTF-8: byte 0xFF at offset 2"),
        (b"\xc3", "the text is not UTF-8: byte 0xC3 at offset 0"),
        (b"x\xed\xa0\x80", "the text is not UTF-8: byte 0xED at offset 1"),
        (b"caf\xc3\xa9 \xc0\xaf", "the text is not UTF-8: byte 0xC0 at offset 6"),
        (b"\xf4\x90\x80\x80", "the text is not UTF-8: byte 0xF4 at offset 0"),
    ],
)
def test_bytes_that_are_not_utf8(pair: Pair, raw: bytes, message: str) -> None:
    assert pair.probe.encode_error(raw) == message


def test_added_tokens(pair: Pair, tmp_path: Path) -> None:
    """Added tokens of a saved GPT2TokenizerFast, from tokenizer.json and from the pair of files."""
    tokenizer = GPT2TokenizerFast.from_pretrained(pair.probe.folder)
    size = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<|im start|>", "<|im"]})
    tokenizer.add_tokens(["日 本", "本x", " the capital"])
    tokenizer.save_pretrained(tmp_path)
    hf = GPT2TokenizerFast.from_pretrained(tmp_path)
    texts = ["<pad>a<|im start|> b<|im |>", "日 本x本x", "is the capital of <pad>", f"<|im<|im start|>{END_OF_TEXT}"]
    theirs = hf(texts, add_special_tokens=False)["input_ids"]
    whole = Probe(tmp_path)
    assert whole.encode(texts) == theirs
    assert whole.facts()[0] == len(hf) == size + 6
    ids = [*range(size - 4, size + 6)]
    assert [text for text, _ in whole.tokens(ids)] == [hf.decode([i]) for i in ids]
    assert whole.decode(theirs) == texts


def test_unicode_tables_are_current() -> None:
    tool = ROOT / "tools/make_unicode_tables.py"
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
