"""The peers of the benchmark: what labs run today, each at its best, in a process of its own.

Runs in .venv-peers. One JSON object a line on the standard input, one answer a line on the standard output.

    in:  {"model_dir", "device", "precision", "threads"}    out: {"versions": {...}}
    in:  {"way", "prompts": [[ids], ...], "sites": [[layer, head], ...], "target"}
    out: {"seconds", "logprobs": [[1 + sites], ...]}    of the target behind each prompt's last token, unedited first

A `way` is a method below. With no gradient; float32, under tf32 with PyTorch's products allowed to read that, under
bf16 with all of the model in bfloat16, as people load it. On a GPU `torch.compile` records CUDA graphs. Only the last
position's logits are made where a peer can be told so (`logits_to_keep=1`).
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "client" / "python" / "src"))

import torch
import transformers
from transformers import GPT2LMHeadModel

Site = Sequence[int]


class Masked(torch.nn.Module):
    """`c_proj` behind a mask. (What a hook reads from a list, `torch.compile` takes for a constant.)"""

    def __init__(self, c_proj: torch.nn.Module) -> None:
        super().__init__()
        self.c_proj = c_proj
        self.mask = torch.ones(1)

    def forward(self, heads: torch.Tensor) -> torch.Tensor:
        return self.c_proj(heads * self.mask)


class Peers:
    def __init__(self, model_dir: str, device: str, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        if device != "cpu":
            torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self._folder, self._device = model_dir, device
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._model = self._load()
        self._d_head = self._model.config.n_embd // self._model.config.n_head
        self._compiled: Callable | None = None
        self._masks: dict[tuple[tuple[int, int], ...], torch.Tensor] = {}
        self._lens = None
        self._sight = None

    def hook_loop(self, ids: Sequence[int], sites: Sequence[Site]) -> torch.Tensor:
        """One forward pass a head, with a forward pre-hook on `c_proj` that zeroes its slice: what notebooks do."""
        inputs = self._inputs(ids)
        rows = [self._run(inputs)]
        for layer, head in sites:
            part = self._slice(head)

            def hook(_module, args, part=part):
                args[0][..., part] = 0
                return args

            with self._hooks([(layer, hook)]):
                rows.append(self._run(inputs))
        return torch.cat(rows)

    def one_batch(self, ids: Sequence[int], sites: Sequence[Site]) -> torch.Tensor:
        """One forward pass over `1 + sites` rows, with one hook a layer that zeroes row i's own head: in place, or on a
        GPU, where each slice would be a launch, by a mask.
        """
        inputs = self._inputs(ids).expand(1 + len(sites), -1)
        if self._device != "cpu":
            masks = self._masks_of(sites)
            with self._hooks([(i, lambda _, args, mask=mask: (args[0] * mask,)) for i, mask in enumerate(masks)]):
                return self._run(inputs)
        by_layer: dict[int, list[tuple[int, int]]] = {}
        for row, (layer, head) in enumerate(sites, start=1):
            by_layer.setdefault(layer, []).append((row, head))
        hooks = []
        for layer, edits in by_layer.items():

            def hook(_module, args, edits=edits):
                for row, head in edits:
                    args[0][row, :, self._slice(head)] = 0
                return args

            hooks.append((layer, hook))
        with self._hooks(hooks):
            return self._run(inputs)

    def compiled_batch(self, ids: Sequence[int], sites: Sequence[Site]) -> torch.Tensor:
        """The same under `torch.compile`, weights frozen; slices are masked, not written."""
        if self._compiled is None:
            self._compiled = self._compile()
        return self._compiled(self._inputs(ids).repeat(1 + len(sites), 1), self._masks_of(sites))

    def transformer_lens(self, ids: Sequence[int], sites: Sequence[Site]) -> torch.Tensor:
        """TransformerLens: `run_with_hooks` on `hook_z`, a head at a time."""
        from transformer_lens.model_bridge import TransformerBridge

        from ablate.interop.transformer_lens import zero_hooks

        if self._lens is None:
            self._lens = TransformerBridge.boot_transformers(self._folder, device=self._device, dtype=self._dtype)
        inputs = self._inputs(ids)
        rows = [self._lens(inputs)[:, -1]]
        for layer, head in sites:
            rows.append(self._lens.run_with_hooks(inputs, fwd_hooks=zero_hooks(f"L{layer}H{head}"))[:, -1])
        return torch.cat(rows)

    def nnsight(self, ids: Sequence[int], sites: Sequence[Site]) -> torch.Tensor:
        """nnsight: one trace a head that writes zeros into `c_proj`'s input."""
        from nnsight import NNsight

        from ablate.interop.nnsight import zero_heads

        if self._sight is None:
            self._sight = NNsight(self._model)
        model = self._sight
        inputs = self._inputs(ids)
        rows = []
        for site in [None, *sites]:
            with model.trace(inputs, use_cache=False, logits_to_keep=1):
                if site is not None:
                    zero_heads(model, f"L{site[0]}H{site[1]}")
                logits = model.lm_head.output.save()
            rows.append(logits[:, -1])
        return torch.cat(rows)

    def kept(self, logits: torch.Tensor) -> torch.Tensor:
        """What a CUDA graph gives is overwritten by its next run."""
        return logits if self._device == "cpu" else logits.clone()

    def wait(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize(self._device)

    def _compile(self) -> Callable:
        import torch._inductor.config as inductor

        inductor.freezing = True
        model = self._load()
        for block in model.transformer.h:
            block.attn.c_proj = Masked(block.attn.c_proj)

        def run(inputs: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
            for block, mask in zip(model.transformer.h, masks, strict=True):
                block.attn.c_proj.mask = mask
            return model(inputs, use_cache=False, logits_to_keep=1).logits[:, -1]

        return torch.compile(run, dynamic=False, mode=None if self._device == "cpu" else "reduce-overhead")

    def _load(self) -> GPT2LMHeadModel:
        return GPT2LMHeadModel.from_pretrained(self._folder, dtype=self._dtype).eval().to(self._device)

    def _inputs(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor([ids], device=self._device)

    def _masks_of(self, sites: Sequence[Site]) -> torch.Tensor:
        """[layers, 1 + sites, 1, D], made once: who asks for the same heads again keeps them."""
        key = tuple((layer, head) for layer, head in sites)
        if key not in self._masks:
            config = self._model.config
            masks = torch.ones(config.n_layer, 1 + len(sites), 1, config.n_embd, dtype=self._dtype)
            for row, (layer, head) in enumerate(sites, start=1):
                masks[layer, row, 0, self._slice(head)] = 0
            self._masks[key] = masks.to(self._device)
        return self._masks[key]

    def _slice(self, head: int) -> slice:
        return slice(head * self._d_head, (head + 1) * self._d_head)

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._model(inputs, use_cache=False, logits_to_keep=1).logits[:, -1]

    @contextlib.contextmanager
    def _hooks(self, hooks: Sequence[tuple[int, Callable]]):
        handles = [
            self._model.transformer.h[layer].attn.c_proj.register_forward_pre_hook(hook) for layer, hook in hooks
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


WAYS = ("hook_loop", "one_batch", "compiled_batch", "transformer_lens", "nnsight")


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "transformer-lens": version("transformer-lens"),
        "nnsight": version("nnsight"),
    }


@torch.no_grad()
def answer(peers: Peers, question: dict) -> dict:
    if question["way"] not in WAYS:
        raise ValueError(f"way {question['way']!r}: expected one of {', '.join(WAYS)}")
    run = getattr(peers, question["way"])
    start = time.perf_counter()
    logits = [peers.kept(run(ids, question["sites"])) for ids in question["prompts"]]
    peers.wait()
    seconds = time.perf_counter() - start
    logprobs = [torch.log_softmax(rows.float(), -1)[:, question["target"]].tolist() for rows in logits]
    return {"seconds": seconds, "logprobs": logprobs}


def main() -> None:
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # the libraries print
        peers = Peers(**json.loads(sys.stdin.readline()))
        print(json.dumps({"versions": versions()}), file=out, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(peers, json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
