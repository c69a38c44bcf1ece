# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Training that a kill does not lose: after every epoch its whole state is in one file, from which it goes on.

The file is .safetensors: the tensors of model, optimiser and random numbers, and as metadata what the run is of (its
facts), where it stands, and a digest. It is replaced in one step, so that it is always that of a whole epoch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.reading import check_weights, open_file
from pyflow.writing import check_target, write_file

VERSION = 1
KEY = "volley-training"  # of the metadata
MODEL, OPTIMISER, OWN, GLOBAL = "model.", "optimiser.", "random.own", "random.torch"
CURE = "remove it to start anew, or give this run a file of its own"

Facts = Mapping[str, Any]  # JSON-able: what decides the result of a training


def digest(*parts: Any) -> str:
    """Of arrays, tensors, dataclasses of them, and of what has a repr that says all."""
    h = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            part = part.detach().numpy()
        if isinstance(part, np.ndarray):
            h.update(f"{part.dtype} {part.shape}\n".encode())
            h.update(np.ascontiguousarray(part).tobytes())
        elif is_dataclass(part):
            h.update(digest(type(part).__name__, *(getattr(part, f.name) for f in fields(part))).encode())
        elif isinstance(part, list | tuple):
            h.update(f"{len(part)} {digest(*part)}\n".encode())
        else:
            h.update(f"{part!r}\n".encode())
    return h.hexdigest()[:16]


@dataclass(slots=True, eq=False)
class Training:
    """A training between two epochs. generator: of all that it draws. losses, accuracies: of every epoch so far, means
    over the training images. path: where it is kept, None nowhere."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator
    facts: Facts
    path: str | os.PathLike[str] | None = None
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        return len(self.losses)

    def resume(self) -> None:
        """Go on from the file, if it is there. Raises VolleyError where it is damaged, of another kind or of another
        training, or where none can be written."""
        if self.path is None:
            return
        check_target(self.path)
        if os.path.lexists(self.path):
            tensors, found = _read(Path(self.path))
            _compare(self.path, found["facts"], json.loads(json.dumps(self.facts)))
            self._restore(tensors, found)

    def save(self) -> None:
        if self.path is None:
            return
        from safetensors.torch import save

        own = self.optimiser.state_dict()
        tensors = {f"{MODEL}{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {
            f"{OPTIMISER}{number}.{name}": tensor
            for number, state in own["state"].items()
            for name, tensor in state.items()
        }
        tensors |= {OWN: self.generator.get_state(), GLOBAL: torch.get_rng_state()}
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
        document = {
            "version": VERSION,
            "facts": self.facts,
            "losses": self.losses,
            "accuracies": self.accuracies,
            "groups": own["param_groups"],
            "schedule": self.schedule.state_dict(),
            "digest": digest(*(part for name in sorted(tensors) for part in (name, tensors[name]))),
        }
        write_file(self.path, save(tensors, {KEY: json.dumps(document)}))

    def _restore(self, tensors: Mapping[str, torch.Tensor], found: Mapping[str, Any]) -> None:
        self.model.load_state_dict({n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)})
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(OPTIMISER):
                number, _, what = name.removeprefix(OPTIMISER).partition(".")
                state.setdefault(int(number), {})[what] = tensor
        self.optimiser.load_state_dict({"state": state, "param_groups": found["groups"]})
        self.schedule.load_state_dict(found["schedule"])
        self.generator.set_state(tensors[OWN])
        torch.set_rng_state(tensors[GLOBAL])
        self.losses[:], self.accuracies[:] = found["losses"], found["accuracies"]


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, metadata) of a file of Training.save()."""
    from safetensors import SafetensorError, safe_open

    def refuse(why: str) -> NoReturn:
        raise VolleyError(f"checkpoint {path}: {why}; {CURE}")

    with open_file(path, "give a file that fine-tuning wrote, or one that does not exist yet") as file:
        head = file.read(9)
    if head[8:] != b"{":
        refuse("is no checkpoint of a training")
    check_weights(path, CURE)
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = None if text is None else json.loads(text)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError) as e:
        refuse(f"is damaged ({short(e)})")
    if not isinstance(found, dict):
        refuse("holds weights, and not the state of a training")
    if found.get("version") != VERSION:
        refuse(f"is of version {found.get('version')!r}, this release reads {VERSION}")
    if found.get("digest") != digest(*(part for name in sorted(tensors) for part in (name, tensors[name]))):
        refuse("is damaged (its content is not what its digest says)")
    return tensors, found


def _compare(path: object, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raises VolleyError naming the first fact in which a checkpoint is of another training."""
    for what, value in here.items():
        if there.get(what) != value:
            shown = [f"{v:.60}" if isinstance(v, str) else str(v) for v in (there.get(what), value)]
            raise VolleyError(f"checkpoint {path}: is of another training: {what} {shown[0]}, here {shown[1]}; {CURE}")


@contextmanager
def progress(title: str, training: Training, epochs: int, steps: int) -> Iterator[Progress]:
    """Of a training that may have begun before. steps: of an epoch."""
    with bar(title, "step", steps * epochs, before=steps * training.epoch) as shown:
        yield Progress(training, shown)


class Progress:
    """Sums up an epoch, and shows it: the bar has loss and accuracy of the last whole one."""

    def __init__(self, training: Training, shown: Any) -> None:
        self.training, self.shown = training, shown
        self.loss, self.right, self.images = 0.0, 0, 0

    def step(self, loss: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> None:
        self.loss += float(loss.detach()) * len(y)
        self.right += int((logits.detach().argmax(1) == y).sum())
        self.images += len(y)
        self.shown.update()

    def end_epoch(self) -> None:
        """The epoch is over: its means are noted, and the training is kept."""
        training = self.training
        training.losses.append(self.loss / self.images)
        training.accuracies.append(self.right / self.images)
        self.loss, self.right, self.images = 0.0, 0, 0
        training.save()
        self.shown.set_postfix(loss=f"{training.losses[-1]:.4f}", accuracy=f"{100 * training.accuracies[-1]:.1f} %")
