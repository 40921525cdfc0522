"""What the processes that train one network exchange: shares of a batch, gradients, sums, statistics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.record import TrialError


class PeerLostError(RuntimeError):
    """Another process of the group is gone; why it went is for that one to say."""


@dataclass(frozen=True)
class TrainingGroup:
    """One process among those that train together; torch's default process group is set up already.

    Args:
        rank: of this process, from 0. size: how many there are.
    """

    rank: int
    size: int

    @property
    def leads(self) -> bool:
        """Whether this process keeps checkpoints, tells of progress and writes what is fitted."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """This process's rows of a batch of n; the shares are of equal size within 1, in the batch's order.

        Raises:
            TrialError: there are fewer examples than processes.
        """
        if n < self.size:
            raise TrialError(
                f"a batch of {n} examples cannot be shared by {self.size} workers: "
                "raise training.batch_size or lower training.resources.workers"
            )
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes; the argument itself holds it afterwards."""
        with _told_of_peers():
            dist.all_reduce(values)
        return values

    def from_leader(self, value: object) -> object:
        """What the leading process says; the others' own values are dropped."""
        held = [value]
        with _told_of_peers():
            dist.broadcast_object_list(held, src=0)
        return held[0]

    def sum_gradients(self, model: nn.Module) -> None:
        """Give every process the sum of all gradients, in one message for each number format.

        Each process's loss is weighed by its share of the batch, so the sum is the gradient of the mean over
        the whole batch. A parameter that no process used keeps no gradient, as in one process.
        """
        parameters = [p for p in model.parameters() if p.requires_grad]
        for kind in dict.fromkeys(p.dtype for p in parameters):
            self._sum_gradients([p for p in parameters if p.dtype == kind])

    def _sum_gradients(self, parameters: list[nn.Parameter]) -> None:
        used = torch.tensor([float(p.grad is not None) for p in parameters], dtype=parameters[0].dtype)
        parts = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in parameters]
        summed = self.sum(torch.cat([*parts, used.to(parameters[0].device)]))
        *gradients, used = torch.split(summed, [*(p.numel() for p in parameters), len(parameters)])
        for parameter, gradient, count in zip(parameters, gradients, used.tolist(), strict=True):
            if not count:
                continue
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(gradient.view(parameter.shape))

    @torch.no_grad()
    def start_alike(self, model: nn.Module) -> None:
        """Give every process the leader's weights and buffers."""
        for tensor in (*model.parameters(), *model.buffers()):
            self._take_over(tensor)

    def _take_over(self, tensor: Tensor) -> None:
        """The leader's values. Gloo sends no truth values, and nothing that has gaps in memory."""
        sent = tensor.detach().to(torch.uint8 if tensor.dtype == torch.bool else tensor.dtype).contiguous()
        with _told_of_peers():
            dist.broadcast(sent, src=0)
        tensor.copy_(sent)

    @torch.no_grad()
    def average_statistics(self, model: nn.Module) -> None:
        """Running means and variances of batch normalisation, as the mean over the processes.

        Each process normalises by its own share of a batch (torch has no synchronised batch normalisation on
        a CPU); what is used for validation and serving rests on all shares by this. Other buffers are the
        leader's.
        """
        norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
        running = [b for m in norms for b in (m.running_mean, m.running_var) if b is not None]
        for buffer in running:
            self.sum(buffer).div_(self.size)
        known = {id(buffer) for buffer in running}
        for buffer in model.buffers():
            if id(buffer) not in known:
                self._take_over(buffer)


class AnswersOfAll(nn.Module):
    """A model whose batch is answered by all processes, a share each; every process gets all answers."""

    def __init__(self, model: nn.Module, group: TrainingGroup) -> None:
        super().__init__()
        self.model, self.group = model, group

    def forward(self, inputs: Tensor) -> Tensor:
        """A batch (n, …) → float32 answers (n, …) of all of it."""
        if len(inputs) < self.group.size:
            own: Tensor = self.model(inputs).float()
            return own
        share = self.group.share(len(inputs))
        part = self.model(inputs[share]).float()
        whole = part.new_zeros(len(inputs), *part.shape[1:])
        whole[share] = part
        return self.group.sum(whole)


_OF_PEERS = re.compile(r"gloo/transport|connection|peer|timed out|nccl", re.IGNORECASE)
"""What torch's errors say when an exchange broke, and not what was to be exchanged."""


@contextmanager
def _told_of_peers() -> Iterator[None]:
    """A broken exchange is the fault of a process that is gone, not of this one."""
    try:
        yield
    except RuntimeError as error:
        if not _OF_PEERS.search(str(error)):
            raise
        raise PeerLostError(f"another worker is gone: {error}") from error


def summed(group: TrainingGroup, values: Iterable[float], device: str) -> list[float]:
    """Sums over all processes of some numbers, in double precision."""
    return group.sum(torch.tensor(list(values), dtype=torch.float64, device=device)).tolist()
