"""What a server says about an error, in words and in parts."""

from __future__ import annotations

import pickle

import grpc
import pytest
from google.rpc import error_details_pb2

import ablate
from ablate import _calls
from tests.python.fake_server import Failure, field_error, retry_info

SCAN = {"target": " Germany"}


def fails_with(fake, failure: Failure) -> ablate.AblateError:
    fake.answer(_calls.ABLATE, [failure])
    with ablate.connect(fake.address) as client, pytest.raises(ablate.AblateError) as caught:
        client.scan("Berlin is the capital of", **SCAN)
    return caught.value


def test_a_field_violation_is_told_once(fake):
    details = field_error("sweep.filter.layers[0]", "got 99, expected 0 .. 11", "SITE_INVALID")
    message = "sweep.filter.layers[0]: got 99, expected 0 .. 11"
    error = fails_with(fake, Failure(grpc.StatusCode.INVALID_ARGUMENT, message, details))
    assert isinstance(error, ablate.InvalidRequestError)
    assert isinstance(error, ValueError)
    assert error.message == message
    assert error.violations == (ablate.FieldViolation("sweep.filter.layers[0]", "got 99, expected 0 .. 11"),)
    assert error.reason == "SITE_INVALID"


def test_a_field_violation_that_the_message_leaves_out_is_added(fake):
    details = field_error("sweep.filter", "no site passes it")
    error = fails_with(fake, Failure(grpc.StatusCode.INVALID_ARGUMENT, "bad request", details))
    assert error.message == "bad request; sweep.filter: no site passes it"


@pytest.mark.parametrize("detail", [error_details_pb2.RequestInfo(request_id="abc"), None])
def test_the_request_id_is_the_servers_or_ours(fake, detail):
    error = fails_with(fake, Failure(grpc.StatusCode.INTERNAL, "no", [detail] if detail else []))
    (call,) = fake.called(_calls.ABLATE)
    expected = "abc" if detail else call.metadata["x-request-id"]
    assert error.request_id == expected
    assert str(error) == f"no (request id {expected})"


def test_the_request_id_of_the_trailing_metadata_counts(fake):
    error = fails_with(fake, Failure(grpc.StatusCode.INTERNAL, "no", metadata=[("x-request-id", "theirs")]))
    assert error.request_id == "theirs"


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, [], ablate.InvalidRequestError),
        (grpc.StatusCode.FAILED_PRECONDITION, [], ablate.PreconditionError),
        (grpc.StatusCode.NOT_FOUND, [], ablate.NotFoundError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, [retry_info(1.5)], ablate.BusyError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, [error_details_pb2.QuotaFailure()], ablate.TooLargeError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, [], ablate.TooLargeError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, [], ablate.DeadlineError),
        (grpc.StatusCode.CANCELLED, [], ablate.CancelledError),
        (grpc.StatusCode.UNAUTHENTICATED, [], ablate.AccessError),
        (grpc.StatusCode.PERMISSION_DENIED, [], ablate.AccessError),
        (grpc.StatusCode.UNIMPLEMENTED, [], ablate.UnimplementedError),
        (grpc.StatusCode.ABORTED, [], ablate.ServerError),
        (grpc.StatusCode.INTERNAL, [], ablate.ServerError),
    ],
)
def test_each_status_has_its_exception(fake, code, details, kind):
    error = fails_with(fake, Failure(code, "why", details))
    assert type(error) is kind
    assert error.code is code
    assert "why" in str(error)


def test_the_retry_delay_is_given_in_seconds(fake):
    error = fails_with(fake, Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", [retry_info(1.5)]))
    assert error.retry_delay == 1.5
    assert "try again in 1.5 s" in str(error)


def test_details_that_cannot_be_read_do_not_hide_the_error(fake):
    error = fails_with(fake, Failure(grpc.StatusCode.INTERNAL, "why", metadata=[("grpc-status-details-bin", b"\xff")]))
    assert error.message == "why"
    assert error.reason == ""


def test_errors_go_through_pickle_with_all_they_know(fake):
    details = [*field_error("sweep", "no site"), retry_info(2)]
    error = fails_with(fake, Failure(grpc.StatusCode.INVALID_ARGUMENT, "bad", details))
    error.add_note("prompts[0] is facts.csv, line 2")
    for one in (error, ablate.ContractError("a second manifest came"), ablate.AccessError("no token")):
        again = pickle.loads(pickle.dumps(one))
        assert type(again) is type(one)
        assert (str(again), again.details) == (str(one), one.details)
        assert getattr(again, "__notes__", []) == getattr(one, "__notes__", [])


def test_advice_to_retry_without_a_time_is_none(fake):
    error = fails_with(fake, Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", [error_details_pb2.RetryInfo()]))
    assert error.retry_delay is None


def test_nobody_there_says_so_and_what_to_do():
    with ablate.connect("127.0.0.1:1") as client, pytest.raises(ablate.UnavailableError) as caught:
        client.scan("Berlin is the capital of", **SCAN)
    assert "no answer from a server at 127.0.0.1:1" in str(caught.value)
    assert "ablated" in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize(
    ("code", "reason", "way_out"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING", "token=...)`, or ABLATE_TOKEN in the environment"),
        (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED", "for another (`ablate token create`)"),
        (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", "for another (`ablate token create`)"),
        (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "a token with it (`ablate token create --scope`)"),
    ],
)
def test_who_is_not_let_in_hears_what_would_help(fake, code, reason, way_out):
    """One who has a token was told to name one."""
    error = fails_with(fake, Failure(code, "why", [error_details_pb2.ErrorInfo(reason=reason)]))
    assert error.message.startswith("why; ")
    assert error.message.endswith(way_out)


def test_a_timeout_is_told_in_the_callers_words(fake):
    fake.answer(_calls.ABLATE, lambda call: iter([call.cancelled.wait(20)]))
    with ablate.connect(fake.address) as client, pytest.raises(ablate.DeadlineError) as caught:
        client.scan("Berlin is the capital of", timeout=0.2, **SCAN)
    assert "not done within the timeout of 0.2 s" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)


def test_a_prompt_at_fault_is_named_by_its_line(client, tmp_path):
    file = tmp_path / "facts.jsonl"
    file.write_text('{"prompt": "Rome is in", "target": " Italy"}\n\n{"prompt": "Rome is in", "target": " qqzzx"}\n')
    with pytest.raises(ablate.InvalidRequestError) as caught:
        client.scan(file)
    assert caught.value.__notes__ == ["prompts[1] is facts.jsonl, line 3"]
