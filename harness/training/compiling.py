"""`torch.compile` for a training that is long enough to pay for it: tried on the network, not assumed.

On two cores compiling takes half a minute to a minute, and a step of a small convolution network in bf16 and
channels_last then takes about .7 of its time; networks that are mostly matrix products gain little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from harness.codec import JsonObject
from harness.training import checkpoint
from harness.training.precision import CLEARLY_FASTER, TRIAL_EXAMPLES, Loss, Mode, cuda_devices

LONG_ENOUGH_S = 480.0
"""A training that is expected to take less is not compiled: what could be gained is what compiling takes, for
each size of its batches, which are two as a rule."""
TIMED_STEPS = 3

Network = Callable[[Tensor], Tensor]


def compiled_where_it_pays(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    loss: Loss,
    device: str,
    steps: int,
    mode: Mode,
    tried: JsonObject,
) -> tuple[Network, Mode, JsonObject]:
    """What computes the forward pass, the mode with it, and what was tried, for the record.

    The model and the global random state are left as they were.

    Args:
        model: in the mode's layout, on the device. batch: as the loop will pass it.
        steps: that are to be taken. mode, tried: of `choose_mode`.
    """
    if _guess_s(mode, tried, len(batch[0])) * steps < LONG_ENOUGH_S / 2:
        return model, mode, tried
    weights, by_compiler = checkpoint.snapshot(model), replace(mode, compiled=True)
    try:
        with torch.random.fork_rng(cuda_devices(device)):
            plain = _seconds_per_step(model, model, batch, loss, device, mode)
            if plain * steps < LONG_ENOUGH_S:
                return model, mode, tried
            network = compiled(model)
            fast = _seconds_per_step(network, model, batch, loss, device, by_compiler)
    except Exception as error:  # the compilers raise dozens of types of their own
        return model, mode, _refused(tried, error)
    finally:
        checkpoint.restore(model, weights)
        model.zero_grad()
    tried = {**tried, "compiling_seconds_per_step": {"plain": round(plain, 5), "compiled": round(fast, 5)}}
    if fast >= CLEARLY_FASTER * plain:
        return model, mode, tried
    return network, by_compiler, tried


def compiled_again(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    loss: Loss,
    device: str,
    mode: Mode,
    tried: JsonObject,
    epoch: int,
) -> tuple[Network, Mode, JsonObject]:
    """The same for a training that was compiled until an epoch and goes on, maybe where nothing compiles.

    Who resumes restores the model's weights afterwards.
    """
    try:
        with torch.random.fork_rng(cuda_devices(device)):
            network = compiled(model)
            _step(network, model, batch, loss, device, mode)
    except Exception as error:  # as above
        plain = replace(mode, compiled=False)
        return model, plain, _refused(tried, error, f"until epoch {epoch} alone: ")
    return network, mode, tried


def _refused(tried: JsonObject, error: Exception, before: str = "") -> JsonObject:
    """What was tried, and why a training is not compiled."""
    refused = tried.get("refused_modes")
    others = refused if isinstance(refused, Mapping) else {}
    said = before + (str(error).splitlines() or [""])[0][:200]
    return {**tried, "refused_modes": {**others, "compiled": said}}


def _guess_s(mode: Mode, tried: JsonObject, examples: int) -> float:
    """Seconds of a step, by the few examples that the modes were tried on; infinite where none was."""
    known = tried.get("tried_seconds_per_step")
    seconds = known.get(mode.label) if isinstance(known, Mapping) else None
    return seconds * max(1.0, examples / TRIAL_EXAMPLES) if isinstance(seconds, float) else float("inf")


def compiled(model: nn.Module) -> Network:
    """The network compiled, a second time for batches of another size; the weights stay the model's own."""
    torch._dynamo.reset()  # what this process compiled for other networks counts against a limit
    torch._inductor.config.compile_threads = max(1, torch.get_num_threads())
    network: Network = torch.compile(model)
    return network


def _seconds_per_step(
    network: Network, model: nn.Module, batch: tuple[Tensor, Tensor], loss: Loss, device: str, mode: Mode
) -> float:
    """Seconds of the fastest of a few steps that change no weight, after one that warms up or compiles."""
    taken = [_step(network, model, batch, loss, device, mode) for _ in range(1 + TIMED_STEPS)]
    return min(taken[1:])


def _step(
    network: Network, model: nn.Module, batch: tuple[Tensor, Tensor], loss: Loss, device: str, mode: Mode
) -> float:
    """Seconds of a step that changes no weight."""
    model.train()
    inputs, targets = batch
    started = time.perf_counter()
    try:
        with mode.active(device):
            out = network(inputs)
        loss(out.float(), targets).backward()  # type: ignore[no-untyped-call]
    finally:
        model.zero_grad()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started
