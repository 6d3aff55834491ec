"""Whether a manifest is an answer to the request, and what the request lets one expect."""

from __future__ import annotations

from ablate._proto.ablation.v1.experiment_pb2 import Prompt
from ablate._proto.ablation.v1.scan_pb2 import AblateRequest, Manifest
from ablate.errors import ContractError

_EFFECTS = (
    "direct_contribution", "direct_effect", "direct_effect_live", "total_effect", "indirect_effect", "self_repair",
)  # fmt: skip


def request_of(manifest: Manifest, n_prompts: int) -> AblateRequest:
    """What a stored job's request must have been, as far as its results depend on it; its prompts are empty."""
    return AblateRequest(
        sweep=manifest.sweep,
        replacements=manifest.replacements,
        readout=manifest.readout,
        edit_positions=manifest.edit_positions,
        prompts=[Prompt()] * n_prompts,
    )


def check_manifest(manifest: Manifest, request: AblateRequest) -> None:
    """ContractError where it is of another request."""
    asked = len(request.prompts)
    if manifest.n_prompts != asked:
        raise ContractError(f"the manifest announces {manifest.n_prompts} prompts, the request holds {asked}")
    if manifest.n_variants < 1:
        raise ContractError(f"the manifest announces {manifest.n_variants} variants, expected 1 or more")
    if len(manifest.replacements) != max(1, len(request.replacements)):
        raise ContractError(
            f"the manifest has {len(manifest.replacements)} replacements, the request asks for "
            f"{len(request.replacements)}"
        )
    if manifest.edit_positions.each != request.edit_positions.each:
        raise ContractError("the manifest and the request do not agree whether positions are swept over")
    chosen = list(manifest.selection.prompt_index)
    if len(set(chosen)) != len(chosen) or any(not 0 <= p < asked for p in chosen) or len(chosen) == asked:
        raise ContractError(f"the selection names prompts {chosen} of {asked}, expected some, each at most once")


def asked_for(request: AblateRequest, primary_metric: str) -> list[str]:
    """Columns of rows that are absent unless the request asks for them."""
    names = list(_EFFECTS) if request.readout.effects else []
    if any(r.HasField("resample") for r in request.replacements):
        names.append("kl_to_clean")
    # Where a prompt has no target, there is no metric whose interaction it would be.
    if request.sweep.HasField("pairs") and primary_metric:
        names.append("interaction")
    return names
