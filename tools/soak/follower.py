"""A client that streams a job's results and, whenever the stream breaks, goes on from where it broke."""

from __future__ import annotations

import threading

import grpc

from ablate._proto.ablation.v1 import jobs_pb2 as v1
from tools.soak.calls import Calls
from tools.soak.server import Ablated

# What a server that dies, drains or loads looks like.
_BREAKS = (grpc.StatusCode.UNAVAILABLE,)


class Follower(threading.Thread):
    """Read what it found when it is not alive any more, or when no server is."""

    def __init__(self, server: Ablated, job: str) -> None:
        super().__init__(daemon=True, name=f"follower of {job}")
        self.job = job
        #: Results, serialised, by offset.
        self.messages: list[bytes] = []
        self.final: v1.Job | None = None
        self.resumes = 0
        #: Somebody deletes the job.
        self.may_vanish = self.vanished = False
        self.problems: list[str] = []
        self._server = server
        self._given_up = threading.Event()

    def give_up(self) -> None:
        self._given_up.set()

    def run(self) -> None:
        calls = Calls(self._server.address)
        try:
            while not (self.final or self.vanished or self.problems or self._given_up.is_set()):
                if self._server.serving.wait(timeout=0.2):
                    self._read(calls)
        finally:
            calls.close()

    def _read(self, calls: Calls) -> None:
        begin = len(self.messages)
        try:
            for response in calls.stream(self.job, begin):
                if response.HasField("job"):
                    self.final = response.job
                else:
                    self.messages.append(response.result.SerializeToString(deterministic=True))
                if response.next_offset != len(self.messages):
                    self.problems.append(f"next_offset {response.next_offset} behind result {len(self.messages) - 1}")
        except grpc.RpcError as error:
            self.vanished = self.may_vanish and error.code() == grpc.StatusCode.NOT_FOUND
            if error.code() not in _BREAKS and not self.vanished:
                self.problems.append(f"{error.code().name}: {error.details()}")
            self.resumes += 1
            # Until the one who killed it says so.
            self._given_up.wait(0.05)
