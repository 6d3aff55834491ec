"""When the server is killed: before, in and behind what it writes."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from ablate._proto.ablation.v1 import jobs_pb2 as v1
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest
from tools.soak.calls import Calls
from tools.soak.follower import Follower
from tools.soak.server import Ablated

# Seconds. A start takes some, and so does a job; a request is on its way for some milliseconds.
_ANY_MOMENT, _LOADING, _CALL, _COMMIT = 1.0, 4.0, 0.02, 0.004
_MOMENTS = {"loading": 2, "submit": 4, "cancel": 3, "delete": 3, "commit": 8, "any moment": 8}
_OPEN_JOBS = 3


@dataclass
class Submission:
    """One that a client wants to have once, whatever happens."""

    kind: str
    request: AblateRequest
    request_id: str
    #: Job id of each answer; they must be one.
    answers: list[str] = field(default_factory=list)
    #: What its client wants besides, until it is granted: `cancel` or `delete`.
    wish: str = ""
    #: The job as the answer had it; of a deleted one nothing.
    granted: v1.Job | None = None


class Kills:
    """Submits jobs, follows them, and kills the server again and again."""

    def __init__(self, server: Ablated, requests: dict[str, AblateRequest], seed: int) -> None:
        self._server, self._requests, self._random = server, requests, random.Random(seed)
        self._calls = Calls(server.address)
        self.submissions: list[Submission] = []
        self.followers: dict[str, Follower] = {}
        #: Kills by moment; and those among them that hit prompts of a job on the device.
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.unacknowledged = 0
        self.unacknowledged_but_stored = 0
        #: What went wrong on the way.
        self.problems: list[str] = []

    def run(self, n: int) -> None:
        for _ in range(n):
            (moment,) = self._random.choices(list(_MOMENTS), weights=list(_MOMENTS.values()))
            self._server.start()
            if moment == "loading":
                time.sleep(self._random.uniform(0, _LOADING))
                self._kill(moment)
                continue
            self._server.wait_ready()
            self._settle()
            if moment == "submit":
                self._kill_in(moment, self._submit, self._next())
            elif moment in ("cancel", "delete"):
                submission = self._random.choice(self._open())
                submission.wish = moment
                self._kill_in(moment, self._grant, submission)
            elif moment == "commit":
                self._server.await_commits(self._random.randint(1, 8), timeout_s=10)
                time.sleep(self._random.uniform(0, _COMMIT))
                self._kill(moment)
            else:
                time.sleep(self._random.uniform(0, _ANY_MOMENT))
                self._kill(moment)

    def finish(self, timeout_s: float) -> list[str]:
        """Lets all jobs end on a server that lives on. What went wrong until then."""
        self._server.start()
        self._server.wait_ready()
        self._settle()
        deadline = time.monotonic() + timeout_s
        for follower in self.followers.values():
            follower.join(timeout=max(0.0, deadline - time.monotonic()))
            follower.give_up()
        for job, follower in self.followers.items():
            saw_end = follower.final or follower.vanished
            problems = follower.problems or ([] if saw_end else [f"its reader saw no end in {timeout_s:g} s"])
            self.problems += [f"job {job}: {problem}" for problem in problems]
        return self.problems

    def _kill(self, moment: str) -> None:
        self._server.kill()
        self.kills[moment] += 1
        # What the server before left is still there while one loads.
        self.hits[moment] += moment != "loading" and self._server.was_running() > 0

    def _settle(self) -> None:
        """Asks again for what nobody acknowledged, and has the server always find work."""
        for submission in self.submissions:
            if not submission.answers:
                before = {job.request_id for job in self._calls.list_all()}
                self.unacknowledged += 1
                self.unacknowledged_but_stored += submission.request_id in before
                self._submit(submission)
            if submission.wish and submission.granted is None:
                self._grant(submission)
        while len(self._open()) < _OPEN_JOBS:
            self._submit(self._next())

    def _open(self) -> list[Submission]:
        """Those whose end nobody has seen yet, and nobody wants to see."""
        return [s for s in self.submissions if s.answers and not s.wish and self.followers[s.answers[0]].is_alive()]

    def _next(self) -> Submission:
        kinds = list(self._requests)
        kind = kinds[len(self.submissions) % len(kinds)]
        request_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self.submissions.append(Submission(kind, self._requests[kind], request_id))
        return self.submissions[-1]

    def _submit(self, submission: Submission) -> None:
        job = self._calls.submit(submission.request, submission.request_id)
        submission.answers.append(job.id)
        if job.id not in self.followers:
            self.followers[job.id] = Follower(self._server, job.id)
            self.followers[job.id].start()

    def _grant(self, submission: Submission) -> None:
        (job,) = set(submission.answers)
        if submission.wish == "cancel":
            submission.granted = self._calls.cancel(job)
            return
        self.followers[job].may_vanish = True
        try:
            self._calls.delete(job)
        except grpc.RpcError as error:
            # An answer that was lost.
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
        submission.granted = v1.Job()

    def _kill_in(self, moment: str, make_call: Callable[[Submission], None], submission: Submission) -> None:
        def call() -> None:
            try:
                make_call(submission)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    self.problems.append(f"{moment} failed: {error.code().name}: {error.details()}")

        thread = threading.Thread(target=call)
        thread.start()
        time.sleep(self._random.uniform(0, _CALL))
        self._kill(moment)
        thread.join()
