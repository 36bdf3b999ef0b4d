"""The network against REFERENCE: counts to the digit, shapes to the letter, and each block by hand."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import yolox_edu
from yolox_edu.blocks import CBS, SPP, Bottleneck, CSPLayer, DepthwiseCBS, Focus, space_to_depth

# preset: parameters, tensors in the state dict, convolutions, side, GFLOPs of the convolutions (2 x MAC)
REFERENCE = {
    "nano": (912_159, 642, 113, 416, 1.0451),
    "tiny": (5_055_855, 462, 83, 416, 6.4125),
    "s": (8_968_255, 462, 83, 640, 26.6855),
    "m": (25_326_495, 606, 107, 640, 73.5303),
    "l": (54_208_895, 750, 131, 640, 155.2927),
    "x": (99_071_455, 894, 155, 640, 281.4098),
}
meta = torch.device("meta")  # tensors with shapes and no numbers: fast, and enough to count


def on_meta(name: str) -> yolox_edu.YOLOX:
    with meta:
        return yolox_edu.build(name).eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", REFERENCE)
def test_counts(name):
    model = on_meta(name)
    parameters, tensors, convolutions, side, _ = REFERENCE[name]
    assert count(model) == parameters
    assert len(model.state_dict()) == tensors
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == convolutions
    assert model.preset.size == side


@pytest.mark.parametrize("name", REFERENCE)
def test_flops(name):
    model, side, gflops = on_meta(name), REFERENCE[name][3], REFERENCE[name][4]
    with FlopCounterMode(display=False) as counter:
        model.raw(torch.empty(1, 3, side, side, device=meta))
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflops, rel=1e-4)


def test_parts_of_l():
    model = on_meta("l")
    assert [count(part) for part in (model.backbone, model.neck, model.head)] == [
        27_075_968,
        19_523_072,
        7_609_855,
    ]


def test_shapes_of_l_at_640():
    """Every line of REFERENCE's list of shapes, as (height, width, channels)."""
    model, seen = on_meta("l"), {}

    def record(name):
        def hook(module, inputs, output):
            seen[name] = (*output.shape[2:], output.shape[1])

        return hook

    for name, module in model.named_modules():
        module.register_forward_hook(record(name)) if isinstance(
            module, (CBS, CSPLayer, SPP, Focus)
        ) else None
    x = torch.empty(1, 3, 640, 640, device=meta)
    assert space_to_depth(x).shape == (1, 12, 320, 320)
    c3, c4, c5 = model.backbone(x)
    p3, p4, p5 = model.neck(c3, c4, c5)
    raw = model.head(p3, p4, p5)

    def hwc(t):
        return (*t.shape[2:], t.shape[1])

    assert seen["backbone.stem"] == (320, 320, 64)
    assert seen["backbone.dark2.1"] == (160, 160, 128)
    assert [hwc(t) for t in (c3, c4, c5)] == [(80, 80, 256), (40, 40, 512), (20, 20, 1024)]
    assert seen["neck.lateral5"] == (20, 20, 512)
    assert seen["neck.topdown4"] == (40, 40, 512)
    assert seen["neck.lateral4"] == (40, 40, 256)
    assert seen["neck.down3"] == (40, 40, 256)
    assert seen["neck.down4"] == (20, 20, 512)
    assert [hwc(t) for t in (p3, p4, p5)] == [(80, 80, 256), (40, 40, 512), (20, 20, 1024)]
    assert [seen[f"head.levels.{i}.stem"] for i in range(3)] == [
        (80, 80, 256),
        (40, 40, 256),
        (20, 20, 256),
    ]
    assert raw.shape == (1, 8400, 85)


def test_order_of_dark5_and_shortcuts():
    backbone = on_meta("s").backbone
    assert [type(m) for m in backbone.dark5] == [CBS, SPP, CSPLayer]
    assert not any(block.shortcut for block in backbone.dark5[2].blocks)
    assert all(block.shortcut for block in backbone.dark4[1].blocks)
    neck = on_meta("s").neck
    assert not any(m.shortcut for m in neck.modules() if isinstance(m, Bottleneck))


def test_head_starts_at_the_prior():
    for level in yolox_edu.build("nano").head.levels:
        for prediction in (level.cls_pred, level.obj_pred):
            assert torch.allclose(prediction.bias.sigmoid(), torch.tensor(0.01))


def test_batch_norm_settings():
    norms = [m for m in on_meta("nano").modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.03)}


@pytest.mark.parametrize("shape", [(1, 3, 416, 400), (1, 3, 65, 64), (1, 4, 64, 64), (3, 64, 64)])
def test_wrong_input_is_refused(shape):
    with pytest.raises(ValueError, match=r"multiples of 32"):
        inspect.unwrap(yolox_edu.YOLOX.raw)(
            on_meta("nano"), torch.zeros(shape)
        )  # as users have it, unchecked


def test_any_multiple_of_32_fits():
    model = on_meta("nano")
    for h, w in ((32, 32), (64, 416), (480, 800)):
        cells = sum((h // s) * (w // s) for s in (8, 16, 32))
        assert model.raw(torch.empty(2, 3, h, w, device=meta)).shape == (2, cells, 85)


def test_wrong_names_are_refused():
    with pytest.raises(ValueError, match=r"no preset 'huge'.*nano, tiny, s, m, l, x"):
        yolox_edu.build("huge")
    with pytest.raises(ValueError, match=r"names has 1 entries, num_classes is 2"):
        yolox_edu.build("nano", 2, names=["cat"])


def test_training_gives_losses():
    model = yolox_edu.build("nano", num_classes=3)
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 50.0]]), "labels": torch.tensor([2])}
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model(torch.rand(2, 3, 64, 64), [target, empty])
    assert set(losses) == {"box", "objectness", "class"}
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(ValueError, match=r"needs targets"):
        model(torch.rand(1, 3, 64, 64))


def test_eval_gives_detections():
    model = yolox_edu.build("nano", num_classes=3).eval()
    model.confidence = 0.0
    results = model(torch.rand(2, 3, 64, 96))
    assert len(results) == 2
    for result in results:
        m = len(result["labels"])
        assert m > 0
        assert set(result) == {"boxes", "scores", "labels"}
        assert result["boxes"].shape == (m, 4)
        assert result["scores"].shape == (m,)
        assert result["labels"].dtype == torch.int64
        assert (result["scores"].diff() <= 0).all()
    model.confidence = 1.1
    assert [len(result["boxes"]) for result in model(torch.rand(2, 3, 64, 64))] == [0, 0]


def test_focus_order_by_hand():
    """A picture of 4 x 4 with the numbers 0 to 15: top-left, bottom-left, top-right, bottom-right."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    phases = space_to_depth(x)[0]
    assert phases.tolist() == [
        [[0, 2], [8, 10]],
        [[4, 6], [12, 14]],
        [[1, 3], [9, 11]],
        [[5, 7], [13, 15]],
    ]


def test_focus_is_a_6x6_convolution():
    focus = Focus(3, 8).eval()
    weight = focus.cbs.conv.weight.data  # 8 4·3 3 3
    wide = torch.zeros(8, 3, 6, 6)
    for phase, (row, column) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        wide[:, :, row::2, column::2] = weight[:, 3 * phase : 3 * phase + 3]
    x = torch.rand(2, 3, 32, 48)
    expected = F.silu(focus.cbs.bn(F.conv2d(x, wide, stride=2, padding=2)))
    assert (focus(x) - expected).abs().max() < 2e-6


def test_spp_is_pools_of_5_9_13():
    spp = SPP(8, 6).eval()
    x = torch.randn(2, 8, 20, 13)
    reduced = spp.reduce(x)
    pools = [F.max_pool2d(reduced, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
    assert torch.equal(spp(x), spp.fuse(torch.cat([reduced, *pools], dim=1)))


def test_csp_concatenates_transformed_then_skipped():
    csp = CSPLayer(6, 8, n=2).eval()
    x = torch.randn(1, 6, 5, 5)
    expected = csp.fuse(torch.cat([csp.blocks(csp.main(x)), csp.skip(x)], dim=1))
    assert torch.equal(csp(x), expected)
    assert csp.main.conv.weight.shape == csp.skip.conv.weight.shape == (4, 6, 1, 1)  # each sees all channels


def test_depthwise_keeps_channels_apart():
    block = DepthwiseCBS(4, 6, 3).eval()
    x = torch.randn(1, 4, 5, 5)
    changed = x.clone()
    changed[:, 2] += 1.0
    difference = (block.depthwise(x) - block.depthwise(changed)).abs().amax((0, 2, 3))
    assert difference.nonzero().flatten().tolist() == [2]


def test_neck_upsamples_to_the_nearest():
    """A constant 2 x 2 block each: bilinear would blur the seam."""
    neck = yolox_edu.build("nano").neck.eval()
    seen = []
    neck.topdown4.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    c3, c4, c5 = torch.randn(1, 64, 8, 8), torch.randn(1, 128, 4, 4), torch.randn(1, 256, 2, 2)
    neck(c3, c4, c5)
    upsampled, lateral = seen[0][:, :128], neck.lateral5(c5)
    assert torch.equal(upsampled, lateral.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


def test_shapes_are_checked_in_the_tests():
    """The import hook of conftest.py is at work: a wrong shape stops at the signature."""
    with pytest.raises(Exception, match=r"(?s)space_to_depth.*n c h w"):
        space_to_depth(torch.zeros(3, 4, 4))
