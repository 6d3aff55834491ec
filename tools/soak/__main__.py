"""`./run soak`: kills a server with running jobs, and holds what it left against a server that was left alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from tools.soak.calls import Calls
from tools.soak.kills import Kills, Submission
from tools.soak.server import Ablated
from tools.soak.table import Table, contradictions, differences, make_table
from tools.soak.workload import ROOT, make_requests

_FINISH_S = 600.0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run soak",
        description="Jobs run while their server is killed (SIGKILL) again and again and started anew on the same "
        "folder; some are cancelled or deleted while it dies. Holds at the end that no job is lost and no result is "
        "missing, there twice, or other than a server gives that is left alone, bit for bit; that what was cancelled "
        "went on no more, and that what was deleted is gone.",
        epilog="Exit codes: 0 all of it held, else 1.",
    )
    parser.add_argument("--kill", type=int, nargs="?", const=100, required=True, metavar="N", help="kills (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "demo", help="folder of the model")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def undisturbed(server: Ablated, requests: dict[str, AblateRequest]) -> dict[str, Table]:
    """What each of the requests gives where nobody interferes."""
    server.start()
    server.wait_ready()
    calls = Calls(server.address)
    tables = {}
    for kind, request in requests.items():
        job = calls.submit(request).id
        for _ in calls.stream(job, timeout=_FINISH_S):
            pass
        tables[kind] = make_table(calls.stored(job)[0])
        problems = differences(tables[kind], tables[kind])
        assert not problems, (kind, problems)
    server.stop()
    return tables


def check(kills: Kills, calls: Calls, expected: dict[str, Table]) -> list[str]:
    """What does not hold, in words."""
    problems = []
    wanted = {submission.request_id: submission for submission in kills.submissions}
    jobs = calls.list_all(page_size=7)
    stored = Counter(job.request_id for job in jobs)
    for request_id, submission in wanted.items():
        n_jobs = 0 if submission.wish == "delete" else 1
        if stored[request_id] != n_jobs:
            problems.append(f"submission {request_id} has {stored[request_id]} jobs, expected {n_jobs}")
    problems += [f"job {job.id} is nobody's" for job in jobs if job.request_id not in wanted]
    for job in jobs:
        submission = wanted[job.request_id]
        if set(submission.answers) != {job.id}:
            problems.append(f"job {job.id}: its submissions were answered with {submission.answers}")
        found = check_job(job, submission, kills, calls, expected[submission.kind])
        problems += [f"job {job.id} ({submission.kind}): {problem}" for problem in found]
    return problems


def check_job(job: v1.Job, submission: Submission, kills: Kills, calls: Calls, expected: Table) -> list[str]:
    messages, end = calls.stored(job.id)
    problems = [f"prompt {s.prompt_index} was set aside: {s.reason}" for s in end.skipped_prompts]
    if end.n_results != len(messages):
        problems.append(f"its counts are wrong: {end}")
    if job.id not in kills.followers or kills.followers[job.id].messages != messages:
        problems.append("its reader, who went on from where each stream broke, saw other results than are stored")
    if submission.granted is not None and submission.granted.state == v1.JOB_STATE_CANCELLED:
        if (end.state, end.n_results) != (v1.JOB_STATE_CANCELLED, submission.granted.n_results):
            problems.append(f"it went on behind its cancellation: {end}")
        return problems + contradictions(make_table(messages), expected)
    # It may have come to its end before anybody could cancel it.
    if end.state != v1.JOB_STATE_SUCCEEDED:
        problems.append(f"{v1.JobState.Name(end.state)} {end.error.message}")
    if end.prompts_done != end.n_prompts or end.cost_done != end.cost:
        problems.append(f"its counts are wrong: {end}")
    return problems + differences(make_table(messages), expected)


def report(kills: Kills, seconds: float) -> str:
    n, hits = kills.kills.total(), kills.hits.total()
    rows = [f"  {moment:<12}{kills.kills[moment]:>4} kills, {kills.hits[moment]:>4} hit" for moment in kills.kills]
    resumes = sum(follower.resumes for follower in kills.followers.values())
    return "\n".join(
        [
            f"{n} kills in {seconds:.0f} s; {hits} ({100 * hits / max(n, 1):.0f} %) hit prompts on the device:",
            *rows,
            f"{len(kills.submissions)} submissions; {kills.unacknowledged} were not acknowledged, of which "
            f"{kills.unacknowledged_but_stored} had been stored",
            f"{len(kills.followers)} streams went on from where they broke {resumes} times",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    options = parse_arguments(arguments)
    program = options.build.resolve() / "bin" / "ablated"
    requests = make_requests()
    with tempfile.TemporaryDirectory(prefix="ablate-soak-") as folder:
        server = Ablated(program, options.model, Path(folder) / "killed")
        begin = time.monotonic()
        kills = Kills(server, requests, options.seed)
        kills.run(options.kill)
        problems = kills.finish(_FINISH_S)
        calls = Calls(server.address)
        expected = undisturbed(Ablated(program, options.model, Path(folder) / "undisturbed"), requests)
        problems += check(kills, calls, expected)
        server.stop()
        print(report(kills, time.monotonic() - begin))
    for problem in problems:
        print(f"soak: {problem}", file=sys.stderr)
    print("soak: FAILED" if problems else "0 jobs lost, 0 results missing or twice, all bits equal")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
