"""Assignment and losses, forward and backward: ours against the official code, on the same tensors.

    python benchmarks/loss.py [--device cpu|cuda] [--threads N] [--repeats N] [--json FILE] [--keep]

Needs pixeltable-yolox (the official model). Runs alternate between the two, so that a machine whose
speed drifts is fair to both; medians are quoted. Half of the predictions lie near a ground truth, as they
do in a network that has learnt something. The last rows are whole train steps of Nano at 416: forward,
losses, backward, SGD; in the same memory layout for both, and at last each as its own code trains: ours in
channels_last, the official one contiguous. --keep also writes yolox_edu/measured/loss.json, which the book's
page "Parity and numbers" shows.
"""

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from reference_head import Reference

from yolox_edu import build
from yolox_edu.boxes import grid, xyxy_to_cxcywh
from yolox_edu.losses import losses
from yolox_edu.measured import keep
from yolox_edu.simota import pad_targets


def make_batch(n: int, g: int, k: int, size: tuple[int, int], seed: int = 0):
    """n pictures of g random objects, and raw predictions of which half lie near an object."""
    rng = torch.Generator().manual_seed(seed)
    h, w = size
    cells, strides = grid(size)
    raw = torch.randn(n, len(cells), 5 + k, generator=rng) * 0.5
    raw[..., 4:] -= 4
    targets = []
    for row in raw:
        side = 2 ** (torch.rand(g, 2, generator=rng) * 5.5 + 2.5)
        centre = torch.rand(g, 2, generator=rng) * torch.tensor([w, h])
        boxes = torch.cat((centre - side / 2, centre + side / 2), 1)
        targets.append({"boxes": boxes, "labels": torch.randint(0, k, (g,), generator=rng)})
        nearest = torch.cdist((cells + 0.5) * strides, centre).argmin(1)
        box = xyxy_to_cxcywh(boxes)[nearest]
        learnt = torch.rand(len(cells), 1, generator=rng) < 0.5
        xywh = torch.cat((box[:, :2] / strides - cells, (box[:, 2:] / strides).log()), 1)
        row[:, :4] = torch.where(learnt, xywh + 0.3 * row[:, :4], row[:, :4])
    return raw, targets


def seconds(run, device: str) -> float:
    """Wall time of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def alternate(a, b, repeats: int, device: str, before=lambda: None) -> tuple[float, float]:
    """Median seconds of a and of b, run in turn after one warm-up each; `before` each, the clock stands."""
    times = [[], []]
    for i in range(repeats + 1):
        for run, kept in zip((a, b), times):
            before()
            t = seconds(run, device)
            if i:
                kept.append(t)
    return statistics.median(times[0]), statistics.median(times[1])


def loss_row(n: int, g: int, repeats: int, device: str) -> dict:
    """One row of the table: losses alone, at 640 x 640 with 80 classes."""
    size = (640, 640)
    raw, targets = make_batch(n, g, 80, size)
    raw = raw.to(device).requires_grad_()
    reference = Reference(80)

    def ours():
        sum(losses(raw, pad_targets(targets, size).to(device), size).values()).backward()

    def theirs():
        sum(reference(raw, targets, size).values()).backward()

    def forget():
        raw.grad = None

    fast, slow = alternate(ours, theirs, repeats, device, forget)
    return {"what": f"losses, {n} pictures x {g} objects", "ours_ms": fast * 1e3, "official_ms": slow * 1e3}


def step_row(n: int, g: int, repeats: int, device: str, layouts: tuple[str, str]) -> dict:
    """One row of the table: a whole train step of Nano at 416."""
    from yolox.config import YoloxConfig

    size = (416, 416)
    _, targets = make_batch(n, g, 80, size)
    images = torch.rand(n, 3, *size, device=device)
    nets = [build("nano").to(device).train()]
    nets.append(YoloxConfig.get_named_config("yolox_nano").get_model().to(device).train())
    labels = torch.zeros(n, g, 5, device=device)
    for label, target in zip(labels, targets):
        label[:, 0], label[:, 1:] = target["labels"], xyxy_to_cxcywh(target["boxes"])
    formats = [getattr(torch, layout) for layout in layouts]
    nets = [net.to(memory_format=layout) for net, layout in zip(nets, formats)]
    inputs = [images.contiguous(memory_format=layout) for layout in formats]
    sgd = [torch.optim.SGD(net.parameters(), 1e-4, 0.9, nesterov=True) for net in nets]

    def ours():
        sgd[0].zero_grad()
        sum(nets[0](inputs[0], targets).values()).backward()
        sgd[0].step()

    def theirs():
        sgd[1].zero_grad()
        nets[1](inputs[1] * 255, labels)["total_loss"].backward()
        sgd[1].step()

    fast, slow = alternate(ours, theirs, repeats, device)
    layout = layouts[0] if layouts[0] == layouts[1] else "each in its own"
    what = f"train step, Nano 416, {n} pictures x {g} objects, {layout.removesuffix('_format')}"
    return {"what": what, "ours_ms": fast * 1e3, "official_ms": slow * 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "loss.json")
    parser.add_argument("--keep", action="store_true", help="the book quotes this run")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore", FutureWarning)
    rows = []
    print(f"{'':62}{'ours':>10}{'official':>11}{'ratio':>8}")
    jobs = [lambda n=n, g=g: loss_row(n, g, args.repeats, args.device) for n in (8, 32) for g in (5, 20, 60)]
    plain, last = "contiguous_format", "channels_last"
    jobs += [
        lambda layouts=layouts: step_row(8, 20, args.repeats, args.device, layouts)
        for layouts in ((plain, plain), (last, last), (last, plain))
    ]
    for job in jobs:
        row = job()
        row["ratio"] = row["official_ms"] / row["ours_ms"]
        print(
            f"{row['what']:62}{row['ours_ms']:7.0f} ms{row['official_ms']:8.0f} ms{row['ratio']:7.2f}x",
            flush=True,
        )
        rows.append(row)
    machine = {
        "torch": torch.__version__,
        "threads": args.threads,
        "cpu": platform.processor() or platform.machine(),
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(
        json.dumps({"device": args.device, "machine": machine, "rows": rows}, indent=1) + "\n"
    )
    print(f"written to {args.json}")
    if args.keep:
        print("and to", keep("loss", rows, [0]))


if __name__ == "__main__":
    main()
