"""Networks that are in a device's memory only while they are used.

At rest only the shapes of the weights are there: on a GPU the weights wait in the machine's memory,
on the CPU they are read again from their file. Parameters are exchanged, never changed in place,
so what autograd kept for its way back stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lorarium.bases.base import Base


class Resting:
    """A network that `load` reads; in use inside of its calls and of `with in_use(network)`.

    One that `stays` is read at its first use and kept.
    """

    def __init__(
        self,
        network: nn.Module,
        load: Callable[[], nn.Module],
        device: torch.device,
        stays: bool = False,
    ) -> None:
        self.network, self.load, self.device, self.stays = network, load, device, stays
        self.shapes = {key: store[name] for key, store, name in _slots(network)}
        self.waiting: dict[str, Tensor] | None = None
        self.users, self.awake = 0, False
        network.register_forward_pre_hook(lambda *_: self.__enter__())
        network.register_forward_hook(lambda *_: self.__exit__(), always_call=True)
        network.__dict__["resting"] = self
        keep_to_one_process(network)

    def __enter__(self) -> None:
        self.users += 1
        if not self.awake:
            self._put(self._weights())
            self.awake = True

    def __exit__(self, *_: Any) -> None:
        self.users -= 1
        if not self.users and not self.stays:
            self._put(self.shapes)
            self.awake = False

    def _weights(self) -> dict[str, Tensor]:
        loaded = self.waiting
        if loaded is None:
            loaded = {key: store[name] for key, store, name in _slots(self.load())}
            if self.device.type != "cpu" and not self.stays:
                self.waiting = loaded
        if self.device.type == "cpu":
            return loaded
        return {
            key: nn.Parameter(t.to(self.device), False)
            if isinstance(t, nn.Parameter)
            else t.to(self.device)
            for key, t in loaded.items()
        }

    def _put(self, tensors: dict[str, Tensor]) -> None:
        for key, store, name in _slots(self.network):
            store[name] = tensors[key]


def in_use(network: nn.Module) -> AbstractContextManager[None]:
    """While it lasts, the network's weights are there."""
    resting: Resting | None = network.__dict__.get("resting")
    return nullcontext() if resting is None else resting


def keep_to_one_process(network: nn.Module) -> None:
    """Mark a network whose hooks cannot be sent to another process."""
    network.__dict__["one_process"] = True


def shareable(base: Base) -> bool:
    """Whether other processes can have this base too."""
    kept = any(network.__dict__.get("one_process") for network in base.networks.values())
    return base.device.type == "cpu" and not kept


def _slots(network: nn.Module) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each parameter and buffer: its name, and where it hangs."""
    for path, module in network.named_modules():
        for store in (module._parameters, module._buffers):
            for name, tensor in list(store.items()):
                if tensor is not None:
                    yield f"{path}.{name}", store, name
