"""All heads of one or many prompts: our engine beside the peers, in turns, and beside the limit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from bench.beside import GPU_WARM_UPS, Beside
from bench.cases import HeadsCase, Share, subset
from bench.common import SITES, spread
from bench.peers import BATCHES, NAMES, Peers
from device_check.limit import Machine
from tests.oracle.compare import max_abs_diff
from tests.oracle.probe import Probe, Result, Scan

# Of target_logprob, nats: what two float32 runs of GPT-2 Small may be apart. Other precisions' differences are told.
MAX_DIFFERENCE = 5e-5


def run_case(case: HeadsCase, probe: Probe, peers: Peers, machine: Machine) -> dict:
    """Every way of running once to compare its results with ours and to warm up, then the timed rounds in turns.

    A case of one round, which is a long one, is timed at once: the engine is warm from the cases before it.
    """
    scans = case.scans()
    ours = Beside(probe, scans, machine, case.model)
    first = ours.run() if case.rounds == 1 else probe.run(scans)
    ways = {way: _Way(way, share, case, peers) for way, share in case.peers.items()}
    differences = {way: run.difference_from(scans, first) for way, run in ways.items()}
    for way, difference in differences.items():
        if machine.precision == "float32" and not difference <= MAX_DIFFERENCE:
            print(
                f"bench: {case.name}: {NAMES[way]} gives other results ({difference:.1e} nats apart)", file=sys.stderr
            )
    # A compiled peer records its CUDA graph in its second run.
    for run in ways.values() if machine.on_gpu else ():
        run.warm_up()
    for i in range(case.rounds):
        if case.rounds > 1:
            ours.run()
        for run in ways.values():
            if i < (run.share.rounds or case.rounds):
                run.time()
    return {
        "name": case.name,
        "title": case.title,
        "engine": ours.engine(),
        "limit": ours.limit(),
        "peers": {way: run.figures() for way, run in ways.items()},
        "max_abs_difference_of_target_logprob": differences,
        "is_same": machine.precision != "float32" or max(differences.values()) <= MAX_DIFFERENCE,
    }


class _Way:
    """A peer on its share of a case. What it leaves out is scaled: a loop's time by the number of runs, a batch's by
    the number of tokens.
    """

    def __init__(self, way: str, share: Share, case: HeadsCase, peers: Peers) -> None:
        self.share = share
        self._prompts = subset(range(len(case.prompts)), share.prompts, seed=1)
        self._sites = subset(range(len(SITES)), share.sites, seed=2)
        self._times: list[float] = []
        part_of_prompts = len(self._prompts) / len(case.prompts)
        if way in BATCHES:
            tokens = sum(len(case.prompts[p]) for p in self._prompts)
            part_of_prompts = tokens / sum(len(ids) for ids in case.prompts)
        self._scale = (1 + len(SITES)) / (1 + len(self._sites)) / part_of_prompts
        self._is_whole = len(self._sites) == len(SITES) and len(self._prompts) == len(case.prompts)
        self._run: Callable = lambda: peers.run(
            way, [case.prompts[p] for p in self._prompts], [SITES[s] for s in self._sites], case.target
        )

    def difference_from(self, scans: Sequence[Scan], ours: Result) -> float:
        expected = [
            [ours.rows[p, variant, scans[p].read_positions[-1]]["target_logprob"] for variant in (-1, *self._sites)]
            for p in self._prompts
        ]
        return max_abs_diff(self._run().logprobs, expected)

    def warm_up(self) -> None:
        for _ in range(GPU_WARM_UPS):
            self._run()

    def time(self) -> None:
        self._times.append(self._run().seconds * self._scale)

    def figures(self) -> dict:
        return spread(self._times) | {
            "is_whole": self._is_whole,
            "prompts": len(self._prompts),
            "sites": len(self._sites),
        }
