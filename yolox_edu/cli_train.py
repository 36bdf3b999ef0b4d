"""`python -m yolox_edu train`: from a data set to weights, a report and pictures. Chapters 15, 16 and 19."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import torch

from yolox_edu import weights
from yolox_edu.cli_options import open_source, positive
from yolox_edu.data import DatasetError, PictureError
from yolox_edu.data.letterbox import letterbox
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.evaluate import class_map, evaluate
from yolox_edu.model import PRESETS, YOLOX, build
from yolox_edu.parallel import processes, rank_and_world
from yolox_edu.recipe import best_precision, recipe_for
from yolox_edu.train import Trainer
from yolox_edu.unfold import is_folded, unfold

EPILOG = """\
examples:
  python -m yolox_edu train                                   the drawn crossing, on this CPU, in minutes
  python -m yolox_edu train --preset s --data coco --train-split train2017 --val-split val2017
  python -m yolox_edu train --data my-set --weights yolox_nano.pth --epochs 50 --batch 16
  python -m yolox_edu train --resume runs/train               goes on where a stopped run was
  torchrun --nproc-per-node 8 -m yolox_edu train --preset s --data coco --precision bf16

The folder of a run holds last.pt (everything, to resume), best.pt, weights.safetensors (the averaged
weights, to use), log.csv, TensorBoard events, curves.png, report.json and results.png.
"""
UNFOLD = 16  # pictures that tell what batch norm's statistics are (chapter 21)
CROSSING = {"train": 1800, "val": 200}  # pictures drawn when --count is not given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.epilog = EPILOG
    data = parser.add_argument_group("pictures")
    data.add_argument("--data", default="crossing", help="'crossing', or a folder in COCO's layout")
    data.add_argument("--train-split", default="train", help="for COCO itself train2017")
    data.add_argument("--val-split", default="val", help="for COCO itself val2017")
    data.add_argument("--count", type=positive, help="train on so many pictures only (Crossing: 1800)")
    data.add_argument("--val-count", type=positive, help="evaluate on so many pictures only (Crossing: 200)")
    data.add_argument("--cache", action="store_true", help="keep all decoded pictures in memory")
    data.add_argument(
        "--workers", type=int, help="processes that prepare pictures (default: 2; with all in memory none)"
    )

    net = parser.add_argument_group("network")
    net.add_argument("--preset", choices=list(PRESETS), default="pico", help="the size of the network")
    net.add_argument("--weights", help="start from these instead of from scratch (see evaluate --help)")
    net.add_argument("--legacy", action="store_true", help="those weights are of the official first release")

    plan = parser.add_argument_group("recipe (default: what suits the preset)")
    plan.add_argument("--size", type=positive, help="the input's side in pixels, a multiple of 32")
    plan.add_argument("--epochs", type=positive, help="how often each picture is seen")
    plan.add_argument("--batch", type=positive, help="pictures a step, over all processes")
    plan.add_argument("--accumulate", type=positive, help="split each batch into so many passes")
    plan.add_argument("--lr", type=float, help="learning rate for 64 pictures a step")
    plan.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), help="of the forward and backward pass"
    )
    plan.add_argument("--seed", type=int, help="decides everything random")

    run = parser.add_argument_group("run")
    run.add_argument("--out", type=Path, default=Path("runs/train"), help="the run's folder")
    run.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    run.add_argument(
        "--save-every", type=positive, default=1000, metavar="STEPS", help="also save within epochs"
    )
    run.add_argument(
        "--evaluate-every", type=positive, metavar="EPOCHS", help="also evaluate during training"
    )
    run.add_argument("--device", help="cpu, cuda, mps (default: a GPU if there is one)")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def main(args: argparse.Namespace) -> int:
    """Train, evaluate, and say where the results lie."""
    if args.resume:
        folder = args.resume if args.resume.is_dir() else args.resume.parent
        saved = _read_arguments(folder / "arguments.json")
        args = argparse.Namespace(**{**vars(args), **saved, "resume": args.resume, "out": folder})
    elif (args.out / "last.pt").exists():
        raise FileExistsError(
            f"{args.out} holds a run already: go on with --resume {args.out}, or name another --out"
        )
    with processes(args.device) as device:
        _run(args, device)
    return 0


def _run(args: argparse.Namespace, device: torch.device) -> None:
    first = rank_and_world()[0] == 0
    source, val = _sources(args)
    model = _model(args, source)
    class_map(model.names, val)  # what could not be evaluated is said now, not after hours
    wanted = {k: getattr(args, k) for k in ("size", "epochs", "batch", "accumulate", "lr", "seed")}
    wanted["precision"] = args.precision or best_precision(device)
    recipe, augment = recipe_for(
        model.preset.name, len(source), **{k: v for k, v in wanted.items() if v is not None}
    )
    in_memory = isinstance(source, RamCache)
    workers = args.workers if args.workers is not None else 0 if in_memory else 2
    train_set = TrainSet(source, (recipe.size, recipe.size), augment, recipe.seed)
    trainer = Trainer(
        model,
        train_set,
        recipe,
        args.out,
        device,
        workers,
        after_epoch=_evaluation(args, val),
        progress=not args.quiet,
        save_every=args.save_every,
    )
    if args.resume:
        trainer.resume(args.out / "last.pt" if args.resume.is_dir() else args.resume)
    elif first:
        _write_arguments(args)
    if first:
        print(_summary(trainer, source, val), flush=True)
    trainer.run()
    report = evaluate(trainer.ema.model, val, recipe.size, device=device, progress=False)
    if first:
        weights.save(trainer.ema.model, args.out / "weights.safetensors", AP=f"{report.AP:.4f}")
        (args.out / "report.json").write_text(report.to_json() + "\n", encoding="utf-8")
        _draw_results(trainer.ema.model, val, args.out / "results.png")
        print(report)
        print(f"weights, report and pictures: {args.out}")


def _sources(args: argparse.Namespace) -> tuple[Any, Any]:
    """The pictures to learn from and those to be measured on."""
    source = open_source(args.data, args.train_split, args.count, CROSSING["train"])
    val = open_source(args.data, args.val_split, args.val_count, CROSSING["val"])
    if args.cache or args.data == "crossing":
        source = RamCache(source, 2 if args.workers is None else args.workers)
    return source, val


def _model(args: argparse.Namespace, source: Any) -> YOLOX:
    torch.manual_seed(args.seed or 0)
    if args.weights:
        model, fresh = weights.load_for_finetune(
            args.weights, len(source.names), source.names, source.category_ids, args.legacy
        )
        first = rank_and_world()[0] == 0
        if first:
            print(f"from {args.weights}; starting afresh: {', '.join(fresh) or 'nothing'}")
        if is_folded(model) and not args.resume:
            some = _some(source, (args.size, args.size) if args.size else model.size)  # n 3 h w
            unfold(model, some)
            if first:
                where = f"measured anew on {len(some)} pictures"
                print(f"their batch norm is folded into the convolutions: {where}")
        return model
    model = build(args.preset, len(source.names), source.names)
    model.category_ids = tuple(source.category_ids)
    return model


def _some(source: Any, size: tuple[int, int]) -> torch.Tensor:
    """The first pictures that can be read, as the model sees them; the others are named while training."""
    canvases = []
    for i in range(len(source)):
        with contextlib.suppress(PictureError):
            canvases.append(letterbox(source[i][0], size)[0])
        if len(canvases) == UNFOLD:
            break
    if not canvases:
        raise DatasetError("no picture of the set can be read; python -m yolox_edu data check names why")
    return torch.stack(canvases).float() / 255


def _evaluation(args: argparse.Namespace, val: Any):
    if not args.evaluate_every:
        return None

    def after_epoch(trainer: Trainer, epoch: int) -> float | None:
        if (epoch + 1) % args.evaluate_every:
            return None
        return evaluate(trainer.ema.model, val, trainer.recipe.size, progress=False).AP

    return after_epoch


def _summary(trainer: Trainer, source: Any, val: Any) -> str:
    recipe, model = trainer.recipe, trainer.model
    count = sum(p.numel() for p in model.parameters())
    return (
        f"YOLOX-{model.preset.name}, {count:,} parameters, {model.num_classes} classes, on {trainer.device}\n"
        f"{len(source):,} pictures to learn from, {len(val):,} to be measured on; {recipe.epochs} epochs at "
        f"{recipe.size} x {recipe.size}, {recipe.batch} a step, {trainer.total:,} steps, {recipe.precision}"
        + (f"; going on at step {trainer.step:,}" if trainer.step else "")
        + _left_out(getattr(source, "source", source))
    )


def _left_out(source: Any) -> str:
    """What of the annotations cannot be learnt from, counted, with the first few by name."""
    dropped = getattr(source, "dropped", ())
    few = "; ".join(f"{file}, annotation {number}: {why}" for file, number, why in dropped[:3])
    return (
        f"\n{len(dropped)} boxes are left out ({few}{'; ...' if len(dropped) > 3 else ''})" if dropped else ""
    )


def _write_arguments(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in vars(args).items() if k not in ("out", "resume", "command", "device", "version")}
    (args.out / "arguments.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _read_arguments(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: --resume takes the folder of a run of `train`")
    return json.loads(path.read_text(encoding="utf-8"))


def _draw_results(model: YOLOX, val: Any, path: Path, count: int = 8) -> None:
    """The first pictures of the validation set with what was found in them, on one sheet."""
    from PIL import Image

    from yolox_edu.detect import Detector
    from yolox_edu.draw import draw

    detector = Detector(model)
    pictures = [val[i][0] for i in range(min(count, len(val)))]
    tiles = [draw(picture, found).resize((320, 320)) for picture, found in zip(pictures, detector(pictures))]
    sheet = Image.new("RGB", (4 * 328 - 8, 328 * -(-len(tiles) // 4) - 8), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % 4 * 328, i // 4 * 328))
    sheet.save(path)
