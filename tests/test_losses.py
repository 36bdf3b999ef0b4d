"""Assignment and losses against the official code, against hand-worked numbers, and with broken targets."""

import itertools
import math

import pytest
import torch
from reference_head import Reference
from torch.utils._python_dispatch import TorchDispatchMode

from yolox_edu.boxes import grid, xyxy_to_cxcywh
from yolox_edu.losses import losses
from yolox_edu.simota import Targets, assign, pad_targets

KINDS = ("mixed", "tiny", "huge", "overlapping", "identical", "on borders", "trained")
SIZES = ((128, 128), (96, 160), (256, 192))


def make_boxes(kind: str, g: int, size: tuple[int, int], rng: torch.Generator) -> torch.Tensor:
    """g `xyxy` boxes with their centres in the picture."""
    h, w = size
    centre = torch.rand(g, 2, generator=rng) * torch.tensor([w, h])
    side = 2 ** (torch.rand(g, 2, generator=rng) * 6 + 1)
    if kind == "tiny":
        side = torch.rand(g, 2, generator=rng) * 3 + 0.05
    elif kind == "huge":
        side = torch.rand(g, 2, generator=rng) * torch.tensor([w, h]) * 2 + 32
    elif kind == "overlapping":
        centre = torch.tensor([w / 2, h / 2]) + torch.randn(g, 2, generator=rng) * 6
    elif kind == "identical" and g:
        centre, side = centre[:1].expand(g, 2), side[:1].expand(g, 2)
    elif kind == "on borders":
        centre = (centre / 8).floor() * 8  # on the corners of cells of one, two or all three levels
        side = (side / 2).ceil() * 2
    return torch.cat((centre - side / 2, centre + side / 2), 1)


def make_batch(seed: int):
    """A random batch: raw predictions, targets (one picture at least is empty) and the input's size."""
    rng = torch.Generator().manual_seed(seed)
    kind, size = KINDS[seed % len(KINDS)], SIZES[seed % len(SIZES)]
    k = (1, 3, 80)[seed % 3]
    cells, strides = grid(size)
    most = (5, 20, 60)[(seed // 3) % 3]
    targets = []
    for i in range(4):
        g = 0 if i == seed % 4 else int(torch.randint(0, most + 1, (1,), generator=rng))
        labels = torch.randint(0, k, (g,), generator=rng)
        if kind == "identical":
            labels = labels[:1].expand(g)
        targets.append({"boxes": make_boxes(kind, g, size, rng), "labels": labels})
    raw = torch.randn(4, len(cells), 5 + k, generator=rng)
    raw[..., 4:] -= 2
    if kind == "trained":  # every prediction near some ground truth, so that IoUs and k are large
        for row, target in zip(raw, targets):
            if g := len(target["boxes"]):
                boxes = xyxy_to_cxcywh(target["boxes"])[torch.randint(0, g, (len(cells),), generator=rng)]
                row[:, :2] = boxes[:, :2] / strides - cells + 0.2 * row[:, :2]
                row[:, 2:4] = (boxes[:, 2:] / strides).log() + 0.2 * row[:, 2:4]
    return raw, targets, size


def pairs(found, n: int):
    """(cells, truths, ious) of picture n, padding left out."""
    keep = found.positive[n]
    return found.cell[n][keep], found.truth[n][keep], found.iou[n][keep]


@pytest.mark.parametrize("block", range(7))
def test_same_positives_losses_and_gradients_as_the_official_code(block):
    for seed in range(block * 30, block * 30 + 30):  # 210 batches in all
        raw, targets, size = make_batch(seed)
        use_l1 = seed % 2 == 0
        reference = Reference(raw.shape[2] - 5, use_l1)
        theirs, ours = (raw.clone().requires_grad_() for _ in range(2))
        want = reference(theirs, targets, size)
        sum(want.values()).backward()
        padded = pad_targets(targets, size)
        got = losses(ours, padded, size, use_l1=use_l1)
        sum(got.values()).backward()

        found = assign(raw, padded, size, *grid(size))
        for n, target in enumerate(targets):
            cell, truth, overlap = pairs(found, n)
            if not len(target["boxes"]):
                assert len(cell) == 0, f"batch {seed}, picture {n}: positives without ground truth"
                continue
            want_cell, want_truth, want_iou = reference.seen[n]
            assert torch.equal(cell, want_cell), f"batch {seed}, picture {n}: other positives"
            for field in ("boxes", "labels"):
                assert torch.equal(target[field][truth], target[field][want_truth]), (
                    f"batch {seed}, picture {n}"
                )
            if KINDS[seed % len(KINDS)] != "identical":
                assert torch.equal(truth, want_truth), f"batch {seed}, picture {n}: matched otherwise"
            torch.testing.assert_close(overlap, want_iou, atol=1e-5, rtol=1e-5)
        assert got.keys() == want.keys()
        for name in want:
            torch.testing.assert_close(got[name], torch.as_tensor(want[name]), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-4)


def hand_worked(k_a: float = 0.5):
    """Chapter 12's example. A 32 x 32 picture has 16 + 4 + 1 cells; see the test for what is worked out."""
    size = (32, 32)
    cells, strides = grid(size)
    raw = torch.zeros(1, len(cells), 6)
    raw[..., 2:4] = -9.0  # all boxes are specks with no overlap, except three
    return raw, size, cells, strides


def test_three_cells_two_boxes_by_hand():
    """Three cells see two boxes; every number below was worked out on paper.

    Box A spans (0, 0)-(16, 16), box B (8, 0)-(24, 16); one class, all logits 0, so that
    sqrt(0.5 x 0.5) = 0.5 and the class cost is -ln 0.5 = 0.693 everywhere.
    Cell 1 (level 8, column 1, row 0: centre (12, 4)) predicts A to the pixel:   IoU 1 with A, 1/3 with B.
    Cell 5 (level 8, column 1, row 1: centre (12, 12)) predicts (4, 0)-(20, 16): IoU 0.6 with A, 0.6 with B.
    Cell 6 (level 8, column 2, row 1: centre (20, 12)) predicts B to the pixel:  IoU 1/3 with A, 1 with B.
    The sum of IoUs of A is 1 + 0.6 + 1/3 = 1.93, so k = 1; of B likewise. A takes cell 1, B takes cell 6.
    """
    raw, size, cells, strides = hand_worked()
    for cell, box in {1: (0, 0, 16, 16), 5: (4, 0, 20, 16), 6: (8, 0, 24, 16)}.items():
        x, y, s = *cells[cell], 8
        raw[0, cell, 0] = (box[0] + box[2]) / 2 / s - x
        raw[0, cell, 1] = (box[1] + box[3]) / 2 / s - y
        raw[0, cell, 2] = math.log((box[2] - box[0]) / s)
        raw[0, cell, 3] = math.log((box[3] - box[1]) / s)
    targets = [{"boxes": torch.tensor([[0.0, 0, 16, 16], [8.0, 0, 24, 16]]), "labels": torch.zeros(2).long()}]
    found = assign(raw, pad_targets(targets, size), size, cells, strides)
    cell, truth, overlap = pairs(found, 0)
    assert cell.tolist() == [1, 6]
    assert truth.tolist() == [0, 1]
    torch.testing.assert_close(overlap, torch.ones(2))

    # If cell 5 predicts A too, A's sum is 1 + 1 + 1/3 = 2.33: k = 2, and A takes cells 1 and 5.
    raw[0, 5, 0] = 8 / 8 - 1
    found = assign(raw, pad_targets(targets, size), size, cells, strides)
    cell, truth, _ = pairs(found, 0)
    assert cell.tolist() == [1, 5, 6]
    assert truth.tolist() == [0, 0, 1]

    # The losses: three positives. Boxes are exact: 0. Objectness: 21 cells of ln 2 (logit 0) / 3.
    # Class: targets are the IoUs, 1 each, so ln 2 each; three of them / 3.
    got = losses(raw, pad_targets(targets, size), size, use_l1=True)
    assert got["box"].item() == pytest.approx(0, abs=1e-5)
    assert got["objectness"].item() == pytest.approx(21 * math.log(2) / 3, rel=1e-5)
    assert got["class"].item() == pytest.approx(math.log(2), rel=1e-5)
    assert got["l1"].item() == pytest.approx(0, abs=1e-5)


def test_a_conflict_goes_to_the_cheapest_of_all():
    """Both boxes want cell 5 only; it is nearer to B, and A is left with nothing."""
    raw, size, cells, strides = hand_worked()
    raw[0, 5, :4] = torch.tensor([13 / 8 - 1, 8 / 8 - 1, math.log(2), math.log(2)])  # (5, 0)-(21, 16)
    targets = [{"boxes": torch.tensor([[0.0, 0, 16, 16], [8.0, 0, 24, 16]]), "labels": torch.zeros(2).long()}]
    cell, truth, overlap = pairs(assign(raw, pad_targets(targets, size), size, cells, strides), 0)
    assert (cell.tolist(), truth.tolist()) == ([5], [1])
    torch.testing.assert_close(overlap, torch.tensor([13 / 19]))  # 13 x 16 of 2 x 256 - 13 x 16


BROKEN = {
    "NaN": [math.nan, 4, 20, 20],
    "infinite": [0, 0, math.inf, 10],
    "no width": [8, 8, 8, 20],
    "no height": [8, 8, 20, 8],
    "left and right swapped": [20, 4, 8, 20],
    "left of the picture": [-30, 4, -5, 20],
    "below the picture": [4, 200, 20, 220],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_box_changes_nothing_for_the_others(name):
    size = (96, 128)
    good = torch.tensor([[10.0, 10, 50, 60], [60, 20, 80, 40]])
    labels = torch.tensor([1, 2])
    raw = torch.randn(2, len(grid(size)[0]), 8)
    clean = [{"boxes": good, "labels": labels}] * 2
    bad = torch.cat((good[:1], torch.tensor([BROKEN[name]]).float(), good[1:]))
    dirty = [{"boxes": bad, "labels": torch.tensor([1, 0, 2])}, clean[1]]
    assert pad_targets(dirty, size).valid[0].tolist() == [True, False, True]
    want, got = losses(raw, pad_targets(clean, size), size), losses(raw, pad_targets(dirty, size), size)
    for term in want:
        torch.testing.assert_close(got[term], want[term])


def test_only_broken_boxes_is_like_an_empty_picture():
    size = (64, 64)
    raw = torch.randn(1, len(grid(size)[0]), 8, requires_grad=True)
    targets = [{"boxes": torch.tensor(list(BROKEN.values())).float(), "labels": torch.zeros(7).long()}]
    got = losses(raw, pad_targets(targets, size), size, use_l1=True)
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}]
    want = losses(raw, pad_targets(empty, size), size, use_l1=True)
    assert {n: t.item() for n, t in got.items()} == {n: t.item() for n, t in want.items()}
    sum(got.values()).backward()
    assert raw.grad.isfinite().all()


def test_a_centre_outside_the_grid_has_no_candidate_and_does_no_harm():
    size = (64, 64)
    raw = torch.randn(1, len(grid(size)[0]), 8)
    targets = [{"boxes": torch.tensor([[-400.0, 10, 20, 30]]), "labels": torch.tensor([0])}]
    assert not assign(raw, pad_targets(targets, size), size, *grid(size)).positive.any()
    assert all(term.isfinite() for term in losses(raw, pad_targets(targets, size), size).values())


def test_wrong_targets_are_refused_by_name():
    boxes, size = torch.tensor([[0.0, 0, 10, 10]]), (64, 64)
    with pytest.raises(ValueError, match=r"target 1 \(b\.jpg\).*labels 3 to 3.*0 to 2"):
        pad_targets(
            [
                {"boxes": boxes, "labels": torch.tensor([2]), "file": "a.jpg"},
                {"boxes": boxes, "labels": torch.tensor([3]), "file": "b.jpg"},
            ],
            size,
            num_classes=3,
        )
    with pytest.raises(ValueError, match="one row of 4 each"):
        pad_targets([{"boxes": boxes, "labels": torch.tensor([0, 1])}], size)


class NoSync(TorchDispatchMode):
    """Fails at each operation that would make a GPU report back to the CPU, and notes the largest tensor."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")

    def __init__(self):
        super().__init__()
        self.shapes = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        assert name not in self.FORBIDDEN, f"{func} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            for index in args[1]:
                assert index is None or index.dtype != torch.bool, f"{func} with a mask waits for the device"
        out = func(*args, **(kwargs or {}))
        for t in out if isinstance(out, tuple | list) else (out,):
            if isinstance(t, torch.Tensor):
                self.shapes.add(tuple(t.shape))
        return out


def test_nothing_waits_for_the_device_and_nothing_is_ground_truths_x_cells_x_classes():
    g, k, size = 40, 80, (256, 256)
    rng = torch.Generator().manual_seed(1)
    targets = pad_targets(
        [{"boxes": make_boxes("mixed", g, size, rng), "labels": torch.arange(g)} for _ in range(3)], size
    )
    raw = torch.randn(3, len(grid(size)[0]), 5 + k, requires_grad=True)
    with NoSync() as watched:
        sum(losses(raw, targets, size, use_l1=True).values()).backward()
    candidates = min(27 * g, raw.shape[1])
    largest = max(watched.shapes, key=math.prod)
    assert math.prod(largest) <= 3 * max(raw.shape[1] * (5 + k), candidates * (5 + k), g * raw.shape[1])
    assert not any({g, k, candidates} <= set(shape) for shape in watched.shapes)
    with pytest.raises(AssertionError, match="waits"), NoSync():  # the watchman does catch
        raw.detach()[raw.detach() > 0]


def test_the_order_of_pictures_and_of_ground_truths_does_not_matter():
    for seed in (0, 4, 6, 13):
        raw, targets, size = make_batch(seed)
        want = losses(raw, pad_targets(targets, size), size)
        for order in itertools.islice(itertools.permutations(range(4)), 1, 24, 9):
            turned = [
                {key: t[key].flip(0) for key in ("boxes", "labels")} for t in (targets[i] for i in order)
            ]
            got = losses(raw[list(order)], pad_targets(turned, size), size)
            for name in want:
                torch.testing.assert_close(got[name], want[name], atol=1e-4, rtol=1e-4)


def test_half_precision_input_gives_float32_losses():
    raw, targets, size = make_batch(3)
    with torch.autocast("cpu", torch.bfloat16):
        got = losses(raw.bfloat16(), pad_targets(targets, size), size)
    want = losses(raw.bfloat16().float(), pad_targets(targets, size), size)
    assert all(term.dtype == torch.float32 for term in got.values())
    for name in want:
        torch.testing.assert_close(got[name], want[name])


def test_targets_move_whole():
    targets = Targets(torch.zeros(1, 2, 4), torch.zeros(1, 2).long(), torch.ones(1, 2).bool())
    assert [t.device.type for t in targets.to("meta")] == ["meta"] * 3
