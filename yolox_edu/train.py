"""The training loop. Explained in chapters 15, 16 and 19."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from yolox_edu.checkpoint import load_checkpoint, same_run, save_checkpoint
from yolox_edu.data.training import TrainSet, collate, start_worker
from yolox_edu.logs import Logs, curves
from yolox_edu.model import YOLOX
from yolox_edu.optim import EMA, learning_rate, optimizers
from yolox_edu.parallel import mean_over_processes, rank_and_world, stop_requests
from yolox_edu.recipe import Recipe
from yolox_edu.simota import Targets, pad_targets
from yolox_edu.unfold import is_folded
from yolox_edu.weights import description

# Buffers (batch norm's averages) stay each process's own; newer releases of PyTorch have another word for it.
_WORDS = inspect.signature(DistributedDataParallel).parameters
OWN_BUFFERS = {("forward_sync_buffers" if "forward_sync_buffers" in _WORDS else "broadcast_buffers"): False}


class NotFinite(ValueError):
    """The loss became NaN or infinite; the message names the step, the terms and the pictures."""


class Trainer:
    """A model, a recipe and a training set; `run()` trains to the end of the recipe.

    Everything random follows from the recipe's seed, the step and the picture, so that a run which was
    stopped and resumed ends where one that was never stopped ends: bit for bit on the CPU.

    `folder` receives last.pt (everything, after each epoch and every `save_every` steps), best.pt (the same
    at the best AP so far), log.csv, TensorBoard events and curves.png, from the first
    process only. `after_epoch(trainer, epoch)` is called by all processes at the end of each epoch; what
    it returns, if anything, is logged as AP.
    """

    def __init__(
        self,
        model: YOLOX,
        train_set: TrainSet,
        recipe: Recipe,
        folder: Path,
        device: torch.device | str = "cpu",
        workers: int = 0,
        after_epoch: Callable[[Trainer, int], float | None] | None = None,
        progress: bool = True,
        save_every: int = 1000,
    ):
        self.recipe, self.train_set, self.folder, self.workers = recipe, train_set, Path(folder), workers
        self.after_epoch, self.device, self.save_every = after_epoch, torch.device(device), save_every
        self.rank, self.world = rank_and_world()
        if recipe.batch % (recipe.accumulate * self.world):
            passes = f"{recipe.accumulate} passes of {self.world} processes"
            raise ValueError(f"batch {recipe.batch} does not divide into {passes}")
        self.progress = progress and self.rank == 0
        self.model = model.to(self.device, memory_format=torch.channels_last).train()
        self.model.size = (recipe.size, recipe.size)
        self.network: nn.Module = self.model
        if self.world > 1:
            self.network = self._share(model)
        self.optimizers = optimizers(
            self.model, recipe.optimizer, recipe.peak_lr, recipe.momentum, recipe.weight_decay
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.ema = EMA(self.model, recipe.ema, recipe.ema_ramp)
        self.step, self.best_ap = 0, None
        self.total = recipe.steps(len(train_set))
        self.bad_pictures: set[str] = set()
        self._waiting: list[tuple[dict[str, Any], dict[str, Tensor], list[str]]] = []

    def _share(self, model: YOLOX) -> nn.Module:
        if self.device.type == "cuda":  # batch norm over all processes' pictures
            self.model = model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
            return DistributedDataParallel(model, device_ids=[self.device.index], **OWN_BUFFERS)
        return DistributedDataParallel(model, **OWN_BUFFERS)

    # ---- one step

    def run(self, until: int | None = None) -> None:
        """Train from the current step to the end (or to the step `until`).

        Ctrl-C or SIGTERM ends it after the step at hand, which is saved; then KeyboardInterrupt is raised.
        """
        until = self.total if until is None else min(until, self.total)
        if self.step == self.rank == 0 and is_folded(self.model):
            mend = "call yolox_edu.unfold.unfold(model, pictures) before training (chapter 21)"
            warnings.warn(f"the model's batch norm is folded into its convolutions: {mend}", stacklevel=2)
        logs = Logs(self.folder, self.step) if self.rank == 0 else None
        bar = self._bar(until)
        passes = iter(self._loader(until))
        pictures = len(self.train_set)
        with stop_requests() as asked, ExitStack() as stack:
            for resource in (logs, bar):
                if resource is not None:
                    stack.callback(resource.close)
            while self.step < until:
                row = self._train_step(passes)
                self.step += 1
                epoch_ended = (
                    self.step * self.recipe.batch // pictures > row["epoch"] or self.step == self.total
                )
                if epoch_ended or len(self._waiting) >= self._patience:
                    self._report(logs, bar)
                if epoch_ended:
                    self._end_of_epoch(row, logs)
                elif asked or self.step % self.save_every == 0:
                    self._report(logs, bar)
                    self.save()
                if asked:
                    raise KeyboardInterrupt
        if self.rank == 0:
            curves(self.folder / "log.csv", self.folder / "curves.png")

    @property
    def _patience(self) -> int:
        """After how many steps losses are read; on a GPU each reading makes the CPU wait."""
        return 10 if self.device.type == "cuda" else 1

    def _loader(self, until: int) -> DataLoader:
        keys = self.recipe.keys(len(self.train_set), self.step, self.rank, self.world)
        keys = (
            key for key, _ in zip(keys, range((until - self.step) * self.recipe.accumulate), strict=False)
        )
        return DataLoader(
            self.train_set,
            batch_sampler=keys,
            num_workers=self.workers,
            collate_fn=collate,
            worker_init_fn=start_worker,
            pin_memory=self.device.type == "cuda",
        )

    def _train_step(self, passes) -> dict[str, Any]:
        """One optimiser step; returns its row for the log, the losses still on the device."""
        started = time.perf_counter()
        recipe, step = self.recipe, self.step
        lr = learning_rate(
            step, self.total, recipe.peak_lr, *recipe.warmup_and_final(self.total), recipe.lr_floor
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * group["share"]
        self.model.use_l1 = step >= self.total - recipe.warmup_and_final(self.total)[1]
        side, sums, files = recipe.input_size(step), {}, []
        for i in range(recipe.accumulate):
            images, targets = next(passes)
            self._note(targets)
            files += [target["file"] for target in targets]
            last = i == recipe.accumulate - 1
            quiet = nullcontext() if last or self.world == 1 else self.network.no_sync()
            with quiet:
                terms = self._forward(images, targets, side)
                loss = sum(terms.values()) / recipe.accumulate
                self.scaler.scale(loss).backward()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0) + term.detach() / recipe.accumulate
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
            optimizer.zero_grad()
        self.scaler.update()
        self.ema.update()
        row = {"step": step, "epoch": step * recipe.batch // len(self.train_set), "lr": lr, "size": side}
        row["images_per_second"] = recipe.batch / (time.perf_counter() - started)
        self._waiting.append((row, sums, files))
        return row

    def _forward(self, images: UInt8[Tensor, "n 3 h w"], targets: list[dict], side: int) -> dict[str, Tensor]:
        images, padded = prepare(images, targets, self.device, self.model.num_classes, side)
        kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        kind = kinds[self.recipe.precision]
        with torch.autocast(self.device.type, kind, enabled=kind != torch.float32):
            return self.network(images, padded)

    def _note(self, targets: list[dict]) -> None:
        """Say once of each picture that could not be read that another took its place."""
        for name in {name for target in targets for name in target["bad"]} - self.bad_pictures:
            self.bad_pictures.add(name)
            warnings.warn(f"{name} cannot be read; another picture takes its place", stacklevel=2)

    # ---- what is said and kept

    def _report(self, logs: Logs | None, bar) -> None:
        """Write the waiting rows; stop where a loss is not finite."""
        for row, terms, files in self._waiting:
            values = dict(zip(terms, mean_over_processes(torch.stack(list(terms.values()))).tolist()))
            total = sum(values.values())
            if not abs(total) < float("inf"):
                self._waiting.clear()
                raise NotFinite(
                    f"step {row['step']}: the loss is not finite ({_terms(values)}). "
                    f"Pictures: {', '.join(files)}. Look at their boxes, or lower the learning rate; "
                    "the last checkpoint is from before it"
                )
            if logs:
                logs.add({**row, "loss": total, **values})
            if bar is not None:
                bar.set_postfix_str(f"{_terms(values)}, {row['images_per_second']:.0f} img/s", refresh=False)
                bar.update()
        self._waiting.clear()

    def _end_of_epoch(self, row: dict[str, Any], logs: Logs | None) -> None:
        ap = self.after_epoch(self, row["epoch"]) if self.after_epoch else None
        if ap is not None:
            if logs:
                logs.add({"step": row["step"], "epoch": row["epoch"], "AP": ap})
            if ap > (self.best_ap or 0.0):
                self.best_ap = ap
                self.save("best.pt")
        self.model.train()
        self.save()

    def _bar(self, until: int):
        if not self.progress:
            return None
        from tqdm import tqdm

        return tqdm(total=until, initial=self.step, unit="step", dynamic_ncols=True, desc="train")

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            **description(self.model),
            "recipe": self.recipe.to_dict(),
            "pictures": len(self.train_set),
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "best_ap": self.best_ap,
        }

    def save(self, name: str = "last.pt") -> None:
        """Write a checkpoint, whole or not at all; the first process does. Raises CheckpointError."""
        if self.rank == 0:
            save_checkpoint(self.folder / name, self.state())

    def resume(self, path: Path) -> None:
        """Take up a run where its checkpoint left it. Raises CheckpointError where it is of another run."""
        state = load_checkpoint(path)
        same_run(path, state, self.state())
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best_ap = state["step"], state["best_ap"]


def prepare(
    images: UInt8[Tensor, "n 3 h w"],
    targets: list[dict[str, Any]],
    device: torch.device,
    num_classes: int,
    side: int | None = None,
) -> tuple[Tensor, Targets]:
    """A batch of the loader as the model wants it: on the device, in [0, 1], `side` pixels large.

    Boxes are padded on the CPU and cross over in one piece; they are scaled with the picture.
    """
    height, width = images.shape[2:]
    padded = pad_targets(targets, (height, width), num_classes)
    images = images.to(device, memory_format=torch.channels_last, non_blocking=True).float() / 255
    if side and side != height:
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
        padded = padded._replace(boxes=padded.boxes * (side / height))
    return images, padded.to(device)


def _terms(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())
