"""How a training step is computed: number format, memory layout, attention; tried, not assumed.

On a CPU bf16 makes convolution nets 2 to 2.5 times faster with channels_last and small vision
transformers *slower*, unless their attention is unfused; ConvNeXt gets slower either way, and half as
fast again where its 1×1 convolutions are products; an LSTM cannot be computed in bf16 at all by a
processor without AVX-512. So `choose_mode` times a few steps
of each way that could win on a copy of the network, and leaves out what the libraries refuse.
"""

from __future__ import annotations

import copy
import inspect
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.codec import Json, JsonObject
from harness.record import TrialError, content_hash
from harness.store.disk import locked, write_whole
from harness.training.products import AsProducts

TIMED_STEPS = 2
TRIAL_EXAMPLES = 64
"""Enough for the ways to rank as they do on whole batches, at half the time."""
HOPELESS = 2.0
"""A way whose first step takes this many times the best one's is not timed further."""
CLEARLY_FASTER = 0.9
"""A way must save this share of plain fp32's time to be preferred: a toss-up stays with fp32."""
KEPT = ".modes"
"""Folder beside the checkpoints with the modes that were chosen."""


@dataclass(frozen=True)
class Mode:
    """One way to compute a step.

    Args:
        precision: `fp32`, or `bf16` (autocast: weights and optimiser stay fp32).
        channels_last: images lie in memory as (height, width, channels).
        products: attention, 1×1 convolutions and kernels larger than the image as matrix products
            (`harness.training.products`).
        compiled: the forward pass by `torch.compile` (`harness.training.compiling`).
    """

    precision: str = "fp32"
    channels_last: bool = False
    products: bool = False
    compiled: bool = False

    @property
    def label(self) -> str:
        """For people: `bf16 channels_last`."""
        parts = [self.precision]
        parts += ["channels_last"] if self.channels_last else []
        parts += ["products"] if self.products else []
        parts += ["compiled"] if self.compiled else []
        return " ".join(parts)

    @contextmanager
    def active(self, device: str) -> Iterator[None]:
        """Within, forward passes are computed in this way."""
        with ExitStack() as stack:
            if self.precision == "bf16":
                # The cache of cast weights gains nothing over one forward and backward pass and holds memory.
                stack.enter_context(torch.autocast(device, torch.bfloat16))
            if self.products:  # attention too that is left as it is written
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))
                if not self.compiled:  # the compiler rewrites layers itself
                    stack.enter_context(AsProducts())
            yield

    def place(self, model: nn.Module, device: str) -> nn.Module:
        """Move a model to the device in this mode's memory layout."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return model.to(device).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


Loss = Callable[[Tensor, Tensor], Tensor]


def choose_mode(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    loss: Loss,
    device: str,
    precision: str,
    beside: Path | None = None,
) -> tuple[Mode, JsonObject]:
    """The fastest way to train this model on this device, and what was tried, for the record.

    The model and the global random state are left as they were.

    Args:
        batch: inputs and targets on the device, as the loop will pass them.
        precision: `fp32` and `bf16` fix the number format; layout and attention are still tried.
        beside: the trial's checkpoint folder: what was found is kept next to it, so that all seeds and sizes
            of a candidate are trained in one way. Where each process tried for itself, a toss-up went this
            way for one seed and that way for the next, of 11 of 59 candidates.

    Raises:
        TrialError: `bf16` is asked for and this machine's libraries cannot compute the model in it.
    """
    if device == "cpu":  # a GPU that is not full takes the same time for any of the ways
        batch = batch[0][:TRIAL_EXAMPLES], batch[1][:TRIAL_EXAMPLES]
    # Not the batch: sizes of training sets make it of 63 or 64 examples, seeds of other texts. But an image's
    # size, by which it is told whether products gain.
    size = tuple(batch[0].shape[1:]) if batch[0].dim() == 4 else ()
    threads = str(torch.get_num_threads())
    situation = (str(model), str(size), device, precision, threads, *_surroundings(model))
    if situation not in _decided:
        _decided[situation] = _agreed(
            beside, situation, lambda: _choose(model, batch, loss, device, precision)
        )
    return _decided[situation]


def _agreed(
    beside: Path | None, situation: Sequence[str], find: Callable[[], tuple[Mode, JsonObject]]
) -> tuple[Mode, JsonObject]:
    """What another process found in the same situation, else what is found now; one process at a time."""
    if beside is None:
        return find()
    path = beside.parent / KEPT / f"{content_hash(situation)}.json"
    with locked(path.with_suffix(".lock")):
        known = _read(path)
        if known is None:
            known = find()
            write_whole(path, json.dumps({"mode": asdict(known[0]), "tried": known[1]}).encode())
        return known


def _read(path: Path) -> tuple[Mode, JsonObject] | None:
    try:
        said = json.loads(path.read_bytes())
        return Mode(**said["mode"]), said["tried"]
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or cut short
        return None


def _surroundings(model: nn.Module) -> list[str]:
    """What a way depends on beside what a network prints as: its code, the libraries, the machine."""
    code = [f"{kind.__module__}.{kind.__qualname__}{_source_of(kind)}" for kind in map(type, model.modules())]
    settings = [_settings_of(m) for m in model.modules()]
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    parts = dict.fromkeys([*code, *settings])
    return [*parts, torch.__version__, torch.backends.cpu.get_cpu_capability(), platform.node(), machine]


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] not in LIBRARIES


def _source_of(kind: type) -> str:
    """The source of a user's class, which may change between two runs."""
    if not _is_own(kind):
        return ""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # of a class without a file
        return ""


def _settings_of(module: nn.Module) -> str:
    """The plain attributes of a user's module: its forward may go by them."""
    kept = vars(module).items() if _is_own(type(module)) else ()
    return repr(sorted((k, v) for k, v in kept if isinstance(v, (bool, int, float, str)) and k != "training"))


LIBRARIES = frozenset({"torch", "harness", "timm", "torchvision", "transformers", "keras", "lightning"})
"""Whose classes do not change between two runs."""

_decided: dict[tuple[str, ...], tuple[Mode, JsonObject]] = {}
"""A worker process trains a candidate several times (seeds, sizes): once tried is enough."""


def _choose(
    model: nn.Module, batch: tuple[Tensor, Tensor], loss: Loss, device: str, precision: str
) -> tuple[Mode, JsonObject]:
    try:
        copy.deepcopy((model, loss))
    except Exception:  # some libraries' models cannot be copied, so nothing is tried on them
        return Mode("fp32" if precision == "auto" else precision), {}
    modes = possible_modes(model, batch[0], device, precision)
    if modes == [Mode()]:
        return modes[0], {}
    seconds: dict[Mode, float] = {}
    refused: dict[str, str] = {}
    with torch.random.fork_rng(cuda_devices(device)):
        for mode in [*modes, Mode(precision)] if precision == "bf16" else modes:
            if mode in seconds or (seconds and mode not in modes):
                continue  # a plain layout in bf16 is for who cannot do with another: `x.view` of an image
            best = min(seconds.values(), default=1e9)
            try:
                seconds[mode] = _time_steps(model, batch, loss, device, mode, best)
            except (RuntimeError, NotImplementedError) as error:
                if mode == Mode():
                    raise  # the model's own fault: no other way would mend it
                refused[mode.label] = (str(error).splitlines() or [type(error).__name__])[0]
    if not seconds:
        reason = "; ".join(refused.values())
        raise TrialError(
            f"this machine cannot train the model in bf16 ({reason}): set precision: auto or fp32"
        )
    plainest = next(iter(seconds))
    fastest = min(seconds, key=seconds.__getitem__)
    chosen = fastest if seconds[fastest] < CLEARLY_FASTER * seconds[plainest] else plainest
    tried: dict[str, Json] = {"tried_seconds_per_step": {m.label: round(s, 5) for m, s in seconds.items()}}
    if refused:
        tried["refused_modes"] = refused
    return chosen, tried


def possible_modes(model: nn.Module, inputs: Tensor, device: str, precision: str) -> list[Mode]:
    """The ways worth a try, plainest first."""
    has_convolution = any(isinstance(m, nn.Conv2d) for m in model.modules())
    met = layers_for_products(model, inputs) if device == "cpu" else frozenset()
    precisions = ["fp32", "bf16"] if precision == "auto" else [precision]
    modes = [Mode(p) for p in precisions]
    if F.scaled_dot_product_attention in met:
        # On its own the fused kernel wins in fp32 and loses in bf16.
        return modes + [Mode("bf16", products=True)] * ("bf16" in precisions)
    if has_convolution:
        # A plain layout in bf16 never won where it was measured.
        plain = [Mode("fp32")] * ("fp32" in precisions)
        last = [Mode(p, channels_last=True) for p in precisions]
        return plain + last + [replace(mode, products=True) for mode in last if F.conv2d in met]
    return modes


def layers_for_products(model: nn.Module, inputs: Tensor) -> frozenset[Callable[..., Tensor]]:
    """Which functions of PyTorch a forward pass on the processor calls that may be products."""
    # A copy: batch normalisation would remember the batch.
    probe = copy.deepcopy(model).to("cpu")
    with torch.random.fork_rng([]), torch.no_grad(), AsProducts(only_watches=True) as products:
        probe.train()(inputs[:2])
    return frozenset(products.met)


def _time_steps(
    model: nn.Module, batch: tuple[Tensor, Tensor], loss: Loss, device: str, mode: Mode, best: float
) -> float:
    """Seconds of the fastest of a few steps on a copy of the model: CPU time, on a GPU wall time."""
    copied, loss = copy.deepcopy((model, loss))  # a loss may read what the forward pass left in its network
    model = mode.place(copied, device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    clock = time.process_time if device == "cpu" else time.perf_counter
    inputs, targets = batch
    taken = []
    for _ in range(1 + TIMED_STEPS):
        started = clock()
        with mode.active(device):
            out = model(inputs)
        loss(out.float(), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(clock() - started)
        if taken[0] > HOPELESS * best:
            return taken[0]
    return min(taken[1:])


def cuda_devices(device: str) -> list[int]:
    """Whose random state `torch.random.fork_rng` keeps beside the processor's."""
    return [torch.cuda.current_device()] if device == "cuda" else []
