"""A short soak, and that a soak can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ablate._proto.ablation.v1.scan_pb2 import AblateResponse, Completion, Manifest, RowBlock
from tests.oracle.probe import BUILD_DIR
from tools.soak.__main__ import main
from tools.soak.table import contradictions, differences, make_table


@pytest.mark.slow
def test_ten_kills_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kill", "10", "--seed", "3", "--build", str(BUILD_DIR)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "10 kills" in said
    assert "0 jobs lost" in said


def messages(change: Callable[[RowBlock], None] = lambda block: None) -> list[bytes]:
    block = RowBlock(prompt_index=[0, 0, 1], variant=[-1, 0, 0], position=[4, 4, 4])
    block.target_logprob.extend([-1.0, -2.0, -3.0])
    block.top_k_id.extend([1, 2, 3, 4, 5, 6])
    change(block)
    made = [
        AblateResponse(manifest=Manifest(total_rows=3)),
        AblateResponse(row_block=block),
        AblateResponse(completion=Completion(rows=3)),
    ]
    return [message.SerializeToString() for message in made]


def other_bits(block: RowBlock) -> None:
    block.target_logprob[1] = -2.0000000000000004


def other_tail(block: RowBlock) -> None:
    block.top_k_id[5] = 7


def lost(block: RowBlock) -> None:
    for column in (block.prompt_index, block.variant, block.position, block.target_logprob):
        column.pop()
    del block.top_k_id[4:]


def twice(block: RowBlock) -> None:
    block.prompt_index[2] = 0


def without_column(block: RowBlock) -> None:
    block.ClearField("target_logprob")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_bits, "1 rows with other bits, e.g. (0, 0, 0, 0, 4)"),
        (other_tail, "1 rows with other bits, e.g. (1, 0, 0, 0, 4)"),
        (lost, "1 rows missing, e.g. (1, 0, 0, 0, 4)"),
        (twice, "1 rows twice, e.g. (0, 0, 0, 0, 4)"),
        (without_column, "3 rows with other bits"),
    ],
)
def test_a_soak_sees(change: Callable[[RowBlock], None], said: str) -> None:
    found = differences(make_table(messages(change)), make_table(messages()))
    assert any(said in line for line in found), found


def test_a_part_may_miss_rows_and_nothing_else() -> None:
    whole = make_table(messages())
    assert contradictions(make_table(messages(lost)[:-1]), whole) == []
    for change in (other_bits, twice):
        assert contradictions(make_table(messages(change)), whole)


def test_equal_is_equal_in_whatever_order() -> None:
    def turned(block: RowBlock) -> None:
        for column in (block.prompt_index, block.variant, block.position, block.target_logprob):
            column[:] = column[::-1]
        block.top_k_id[:] = [5, 6, 3, 4, 1, 2]

    assert differences(make_table(messages(turned)), make_table(messages())) == []


def test_a_stream_without_its_end_is_seen() -> None:
    whole = make_table(messages())
    assert "what is not rows differs" in differences(make_table(messages()[:-1]), whole)[0]
    # Also where the undisturbed run is cut in the same way.
    cut = make_table(messages()[:-1])
    assert "the manifest promised 3" in differences(cut, cut)[0]
