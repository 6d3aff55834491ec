"""A stream that is not whole, or not in order, is an error: real streams with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest

import ablate
from ablate import _calls
from ablate._connection import Connection
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest, AblateResponse
from ablate._stream_check import StreamCheck

Stream = list[AblateResponse]
PROMPTS = [
    {"prompt": "Berlin is the capital of", "target": " Germany", "contrast": " France", "template": str(i)}
    for i in range(2)
]


@pytest.fixture(scope="module")
def request_() -> AblateRequest:
    return ablate.request(
        PROMPTS, layers=5, top_k=2, likelihood=True, effects=True, compensation=True, summary=True,
        replace=["zero", "scale"], factor=0.5,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stream(client: ablate.Client, request_: AblateRequest) -> Stream:
    connection: Connection = client._connection
    return list(connection.stream(_calls.ABLATE, request_, None))


def take(request: AblateRequest, stream: Stream) -> StreamCheck:
    check = StreamCheck(request)
    for response in stream:
        check.take(response)
    check.end()
    return check


def kind_of(response: AblateResponse) -> str:
    return response.WhichOneof("payload") or ""


def index(stream: Stream, kind: str) -> int:
    return [kind_of(response) for response in stream].index(kind)


def test_the_stream_as_it_is(request_, stream):
    check = take(request_, stream)
    assert check.rows == check.space.total_rows
    assert {kind_of(response) for response in stream} >= {
        "manifest", "variant_block", "prompt_block", "row_block", "likelihood_block", "compensation_block",
        "summary_head", "summary_block", "completion",
    }  # fmt: skip


def test_every_message_must_come(request_, stream):
    for i in range(len(stream)):
        with pytest.raises((ablate.ContractError, ablate.IncompleteError)):
            take(request_, stream[:i] + stream[i + 1 :])


def test_every_message_comes_once(request_, stream):
    for i in range(len(stream)):
        with pytest.raises(ablate.ContractError):
            take(request_, stream[: i + 1] + stream[i:])


def test_a_stream_that_ends_early_says_how_far_it_came(request_, stream):
    with pytest.raises(ablate.IncompleteError, match=r"after 50 of 50 rows, without its completion"):
        take(request_, stream[:-1])
    with pytest.raises(ablate.IncompleteError, match="0 of an unknown number of rows"):
        take(request_, [])


def test_an_unknown_payload_is_passed_over(request_, stream):
    take(request_, [*stream[:-1], AblateResponse(), stream[-1]])


Change = Callable[[AblateResponse], None]


def _set(kind: str, path: str, value: object, at: int = 0) -> Change:
    """Sets an entry of a column, or drops the last one where `value` is None."""

    def change(response: AblateResponse) -> None:
        column = getattr(getattr(response, kind), path)
        if value is None:
            del column[-1]
        else:
            column[at] = value

    return change


def _clear(kind: str, path: str) -> Change:
    return lambda response: getattr(response, kind).ClearField(path)


def _field(kind: str, path: str, value: object) -> Change:
    return lambda response: setattr(getattr(response, kind), path, value)


CHANGES: dict[str, tuple[str, Change, str]] = {
    "prompts": ("manifest", _field("manifest", "n_prompts", 3), "announces 3 prompts, the request holds 2"),
    "variants": ("manifest", _field("manifest", "n_variants", 0), "0 variants"),
    "replacements": ("manifest", _clear("manifest", "replacements"), "0 replacements"),
    "rows": ("manifest", _field("manifest", "total_rows", 7), "announces 7 rows, expected 50"),
    "each": ("manifest", lambda r: setattr(r.manifest.edit_positions, "each", True), "swept over"),
    "selection": ("manifest", lambda r: r.manifest.selection.prompt_index.extend([0, 1]), "selection"),
    "first variant": ("variant_block", _field("variant_block", "first_variant", 1), "begins at 1"),
    "first prompt": ("prompt_block", _field("prompt_block", "first_prompt_index", 1), "begins at 1"),
    "short column": ("row_block", _set("row_block", "entropy", None), "column entropy has"),
    "short key": ("row_block", _set("row_block", "variant", None), "column variant has"),
    "no key": ("row_block", _clear("row_block", "position"), "column position is missing"),
    "no replacement": ("row_block", _clear("row_block", "replacement"), "column replacement is missing"),
    "no effect": ("row_block", _clear("row_block", "self_repair"), "column self_repair is missing"),
    "no top_k": ("row_block", _clear("row_block", "top_k_id"), "column top_k_id is missing"),
    "short top_k": ("row_block", _set("row_block", "top_k_logprob", None), "column top_k_logprob has"),
    "nan": ("row_block", _set("row_block", "target_logit", float("nan")), "column target_logit holds nan in row 0"),
    "inf": ("row_block", _set("row_block", "entropy", float("inf"), 3), "column entropy holds inf in row 3"),
    "row twice": ("row_block", _set("row_block", "variant", 1, 5), "came twice"),
    "variant": ("row_block", _set("row_block", "variant", 99), "a row names variant 99 of 12"),
    "prompt": ("row_block", _set("row_block", "prompt_index", 5), "a row names prompt 5 of 2"),
    "likelihood": ("likelihood_block", _set("likelihood_block", "mean_nll", float("nan")), "column mean_nll holds nan"),
    "token_logprob": ("likelihood_block", _set("likelihood_block", "token_logprob", None), "column token_logprob has"),
    "its prompt": ("likelihood_block", _field("likelihood_block", "prompt_index", 2), "a block names prompt 2 of 2"),
    "compensation": ("compensation_block", _clear("compensation_block", "heads"), "column heads is missing"),
    "heads": ("compensation_block", _set("compensation_block", "heads", None), "column heads has"),
    "unedited": ("compensation_block", _set("compensation_block", "variant", -1), "unedited run"),
    "summary": ("summary_block", _set("summary_block", "variant", 99), "the summary names a variant"),
    "summary inf": ("summary_block", _set("summary_block", "mean", float("inf")), "column mean holds inf"),
    "summary twice": ("summary_block", _set("summary_block", "variant", 1), "summary came twice"),
    "completion": ("completion", _field("completion", "rows", 49), "the completion counts 49 rows, 50 came"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_message_that_says_something_else_is_refused(request_, stream, name):
    kind, change, message = CHANGES[name]
    changed = deepcopy(stream)
    change(changed[index(changed, kind)])
    with pytest.raises(ablate.ContractError) as caught:
        take(request_, changed)
    assert message in str(caught.value)
    assert str(caught.value).startswith("the server broke the contract: ")


@pytest.mark.parametrize("option", ["likelihood", "compensation"])
def test_what_was_not_asked_for_is_refused(request_, stream, option):
    smaller = AblateRequest()
    smaller.CopyFrom(request_)
    setattr(smaller.readout, option, False)
    with pytest.raises(ablate.ContractError, match="does not ask for"):
        take(smaller, stream)


def test_a_summary_that_was_not_asked_for_is_refused(request_, stream):
    smaller = AblateRequest()
    smaller.CopyFrom(request_)
    smaller.ClearField("summary")
    with pytest.raises(ablate.ContractError, match="does not ask for"):
        take(smaller, stream)


def test_results_must_stand_behind_the_head(request_, stream):
    rows = stream[index(stream, "row_block")]
    with pytest.raises(ablate.ContractError, match="before all variants and prompts"):
        take(request_, [stream[0], rows])
    with pytest.raises(ablate.ContractError, match="does not begin with a manifest"):
        take(request_, [rows])


def test_a_client_gives_the_error_and_ends_the_call(fake, request_, stream):
    def broken(call: object) -> Iterator[AblateResponse]:
        yield stream[0]
        yield stream[0]
        assert call.cancelled.wait(20), "the call goes on"  # type: ignore[attr-defined]

    fake.answer(_calls.ABLATE, broken)
    with ablate.connect(fake.address) as client, pytest.raises(ablate.ContractError, match="a second manifest"):
        client.scan(request_)
    assert fake.calls[0].cancelled.wait(20)
