"""`explain`: what it sends, what it makes of the answer, and that the scan then takes what was told."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from typing import Any

import grpc
import pytest

import ablate
from ablate import _calls
from ablate._proto.ablation.v1.explain_pb2 import ExplainPlanRequest, ExplainPlanResponse, PlannedLayer
from tests.python.fake_server import Failure, FakeServer, field_error

PLAN = ExplainPlanResponse(
    n_prompts=1,
    n_runs=13,
    total_rows=12,
    forward_passes=2,
    layers=[
        PlannedLayer(forward_passes=1, rows_in=2, rows_out=3, tokens_in=4, tokens_out=5),
        PlannedLayer(forward_passes=2, rows_in=3, rows_out=4, tokens_in=5, tokens_out=6),
    ],
    packed_tokens=11,
    unshared_packed_tokens=33,
    cost=1000,
    max_cost=1000,
    gemm_flops=7,
    attention_flops=8,
    readout_flops=9,
    bytes_moved=10,
    predicted_ns=1_500_000_000,
    waiting_ns=5,
)
SCAN: dict[str, Any] = {"prompts": "Berlin is the capital of", "target": " Germany", "layers": 5}


def explain_async(address: str, **arguments: Any) -> ablate.Explanation:
    async def explain() -> ablate.Explanation:
        async with ablate.connect_async(address) as client:
            return await client.explain(**arguments)

    return asyncio.run(explain())


def explain(address: str, **arguments: Any) -> ablate.Explanation:
    with ablate.connect(address) as client:
        return client.explain(**arguments)


BOTH = pytest.mark.parametrize("call", [explain, explain_async])


@BOTH
def test_the_answer_becomes_figures(fake: FakeServer, call):
    fake.answer(_calls.EXPLAIN, [PLAN])
    plan = call(fake.address, **SCAN)
    assert plan.layers == (ablate.PlannedLayer(1, 2, 3, 4, 5), ablate.PlannedLayer(2, 3, 4, 5, 6))
    assert (plan.n_runs, plan.bytes_moved, plan.predicted_ns, plan.waiting_ns) == (13, 10, 1_500_000_000, 5)
    assert plan.fits
    assert plan.times_unshared == 3
    (asked,) = fake.called(_calls.EXPLAIN)
    assert ExplainPlanRequest.FromString(asked.requests[0]).request == ablate.request(**SCAN)
    with pytest.raises(FrozenInstanceError):
        plan.cost = 1


def test_what_is_too_dear_and_what_is_not_known_are_told(fake: FakeServer):
    fake.answer(_calls.EXPLAIN, [ExplainPlanResponse(packed_tokens=1, cost=11, max_cost=10)])
    plan = explain(fake.address, **SCAN)
    assert not plan.fits
    assert plan.predicted_ns is None
    assert "cost                    11: more than one request may" in repr(plan)


def test_people_can_read_it(fake: FakeServer):
    fake.answer(_calls.EXPLAIN, [PLAN])
    lines = repr(explain(fake.address, **SCAN)).splitlines()
    assert lines[0] == "Explanation"
    assert "  packed_tokens           11 (3.0 times as many if nothing were shared)" in lines
    assert "  cost                    1000" in lines
    assert not [line for line in lines if "layers" in line]


@BOTH
def test_errors_name_the_prompt(fake: FakeServer, call):
    wrong = field_error("prompts[1].targets[0]", "two tokens")
    fake.answer(_calls.EXPLAIN, [Failure(grpc.StatusCode.INVALID_ARGUMENT, "prompts[1].targets[0]: two tokens", wrong)])
    with pytest.raises(ablate.InvalidRequestError) as caught:
        call(fake.address, prompts=[{"prompt": "a"}, {"prompt": "b"}])
    assert caught.value.violations[0].field == "prompts[1].targets[0]"


@BOTH
def test_an_older_server_is_named(fake: FakeServer, call):
    with pytest.raises(ablate.UnimplementedError):
        call(fake.address, **SCAN)


SCANS: list[dict[str, Any]] = [
    {"prompts": "Berlin is the capital of", "target": " Germany", "contrast": " France"},
    {"prompts": ["Berlin is the capital of", "Rome is in"], "target": " Germany", "sweep": "pairs", "layers": "4-5"},
    {"prompts": "Berlin is the capital of", "target": " Germany", "likelihood": True, "read": "all"},
    {"prompts": "Berlin is the capital of", "target": " Germany", "each_position": True, "effects": False},
]


@pytest.mark.parametrize("arguments", SCANS)
def test_the_scan_takes_what_was_told(client: ablate.Client, arguments):
    plan = client.explain(**arguments)
    scan = client.scan(**arguments)
    assert plan.n_prompts == len(scan.prompts)
    assert plan.cost == scan.manifest.cost
    assert plan.total_rows == scan.manifest.total_rows
    assert plan.forward_passes == scan.completion.timing.forward_passes
    assert len(plan.layers) == scan.manifest.model.n_layers
    assert plan.max_cost == scan.manifest.runtime.max_request_cost


def test_two_sweeps(client: ablate.Client):
    arguments: dict[str, Any] = {**SCAN, "sweep": "pairs", "strongest": 3}
    plan = client.explain(**arguments)
    scan = client.scan(**arguments)
    assert plan.n_runs == 13 + 7
    assert plan.forward_passes == scan.completion.timing.forward_passes == 2
    # All of one layer: no choice is dearer than another.
    assert plan.cost == scan.manifest.cost
