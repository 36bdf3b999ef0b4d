"""The tracer against the published counts, torch's own counter, and the footprint of a gradient."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import yolox_edu
from yolox_edu import viz
from yolox_edu.blocks import CBS, SPP, Bottleneck, CSPLayer, DepthwiseCBS, Focus

# preset: parameters, side, GFLOPs of the convolutions (2 x MAC); from the official code
PUBLISHED = {
    "nano": (912_159, 416, 1.0451),
    "tiny": (5_055_855, 416, 6.4125),
    "s": (8_968_255, 640, 26.6855),
    "m": (25_326_495, 640, 73.5303),
    "l": (54_208_895, 640, 155.2927),
    "x": (99_071_455, 640, 281.4098),
}
meta = torch.device("meta")


def on_meta(name):
    with meta:
        return yolox_edu.build(name)


# --- counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_totals_are_the_published_ones(name):
    parameters, side, gflops = PUBLISHED[name]
    layers = viz.trace(on_meta(name), (1, 3, side, side))
    assert sum(layer.parameters for layer in layers) == parameters
    assert sum(layer.flops for layer in layers) / 1e9 == pytest.approx(gflops, rel=1e-4)


def test_leaves_are_all_convolutions():
    leaves = viz.trace(on_meta("nano"), (1, 3, 416, 416), leaf=True)
    assert len(leaves) == 113
    assert (leaves[0].name, leaves[-1].name) == ("stem.cbs.conv", "head.2.cls_pred")
    assert sum(leaf.flops for leaf in leaves) / 1e9 == pytest.approx(1.0451, rel=1e-4)


@pytest.mark.parametrize(("name", "shape"), [("nano", (1, 3, 64, 96)), ("pico", (2, 3, 320, 320))])
def test_flops_are_those_of_torchs_counter(name, shape):
    model = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        model.raw(torch.empty(shape, device=meta))
    assert sum(layer.flops for layer in viz.trace(model, shape)) == counter.get_total_flops()


def test_parts_of_l_in_the_order_of_running():
    layers = {layer.name: layer for layer in viz.trace(on_meta("l"), (1, 3, 640, 640))}
    assert list(layers) == [
        *("stem", "dark2", "dark3", "dark4", "dark5"),
        *("lateral5", "topdown4", "lateral4", "topdown3", "down3", "bottomup4", "down4", "bottomup5"),
        *("head.0", "head.1", "head.2"),
    ]
    stem, dark5, topdown4 = layers["stem"], layers["dark5"], layers["topdown4"]
    assert (stem.inputs, stem.output) == (((1, 3, 640, 640),), (1, 64, 320, 320))
    assert (stem.kind, dark5.kind) == ("Focus", "CBS + SPP + CSPLayer")
    assert topdown4.inputs == ((1, 1024, 40, 40),)
    assert layers["head.2"].output == (1, 400, 85)
    assert [layer.stride for layer in layers.values()] == [
        2,
        4,
        8,
        16,
        32,
        32,
        16,
        16,
        8,
        16,
        16,
        32,
        32,
        8,
        16,
        32,
    ]


# --- any module, any input --------------------------------------------------------------------------------


def test_any_part_of_the_model():
    model = yolox_edu.build("pico")
    shapes = (1, 48, 40, 40), (1, 96, 20, 20), (1, 192, 10, 10)
    neck = viz.trace(model.neck, *shapes)
    assert [layer.name for layer in neck][:2] == ["lateral5", "topdown4"]
    assert [layer.stride for layer in neck] == [4, 2, 2, 1, 2, 2, 4, 4]
    head = viz.trace(model.head, *(torch.zeros(shape) for shape in shapes))
    assert [layer.name for layer in head] == ["levels.0", "levels.1", "levels.2"]
    (conv,) = viz.trace(model.backbone.stem.cbs.conv, (1, 12, 8, 8))
    assert (conv.name, conv.parameters, conv.field) == ("Conv2d", 12 * 12 * 9, 3)


def test_parts_by_name():
    x, model = torch.zeros(1, 3, 64, 64), yolox_edu.build("pico")
    layers = viz.trace(model, x, parts=["backbone", "dark3.1.blocks", "head.0.stem"])
    assert [layer.name for layer in layers] == ["dark3.1.blocks", "backbone", "head.0.stem"]
    assert layers[0].kind == "3 × Bottleneck"
    with pytest.raises(ValueError, match=r"no part 'dark6': choose from .*dark5"):
        viz.trace(model, x, parts=["dark6"])


def test_a_pool_that_runs_three_times():
    layers = viz.trace(SPP(8, 8), (1, 8, 20, 20))
    assert [layer.name for layer in layers] == ["reduce", "pool", "pool (2)", "pool (3)", "fuse"]
    assert [layer.field for layer in layers] == [1, 5, 9, 13, 13]


def test_a_part_that_runs_again_keeps_its_parameters_once():
    cbs = CBS(4, 4, 3)
    layers = viz.trace(nn.Sequential(cbs, cbs), (1, 4, 8, 8), parts=["0"])
    assert [layer.parameters for layer in layers] == [4 * 4 * 9 + 8, 0]
    assert layers[0].macs == layers[1].macs == 4 * 4 * 9 * 64


def test_the_module_stays_as_it_was():
    model = yolox_edu.build("pico").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.rand(1, 3, 64, 64)
    viz.trace(model, x)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not hasattr(x, "reach")


def test_what_cannot_be_followed_is_refused():
    for module in (
        nn.ConvTranspose2d(1, 1, 2, 2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Unfold(2),
    ):
        with pytest.raises(NotImplementedError, match=r"trace (does not know|knows nearest)"):
            viz.trace(module, (1, 1, 8, 8))


# --- receptive fields, by gradients -----------------------------------------------------------------------


def positive(module):
    """The module in float64 with positive weights and an identity for batch norm, so that no gradient that
    reaches a pixel cancels; with mean for max pools, whose gradient reaches only the largest pixel."""
    module = module.double().eval()
    for part in list(module.modules()):
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
        for name, child in part.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(part, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    return module


def footprints(module, shape, select=lambda out: out):
    """For some neighbouring cells in the middle of the output's middle row: how many columns they reach."""
    x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    out = select(module(x))  # 1 c h w
    line = out.sum(1)[0, out.shape[2] // 2]  # w
    sides = []
    for j in range(len(line) // 2, min(len(line) // 2 + 4, len(line))):
        (gradient,) = torch.autograd.grad(line[j], x, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        sides.append((seen.max() - seen.min() + 1).item())
    return sides


class Whole(nn.Sequential):
    """Around a module, so that the trace has one child: all of it."""


class Ups(nn.Module):
    """Up and down again: the case in which neighbours see differently far."""

    def __init__(self, factor):
        super().__init__()
        self.down, self.conv, self.last = CBS(1, 1, 3, 2), CBS(1, 1, 3), CBS(1, 1, 3, 2)
        self.factor = factor

    def forward(self, x):
        y = F.interpolate(self.down(x), scale_factor=self.factor, mode="nearest")
        return self.last(self.conv(y))


class Odd(nn.Module):
    """Operations that the model has not, and readers might."""

    def forward(self, x):
        x = F.pad(x, (3, 3, 3, 1))[:, :, 2:-2]
        x = F.pixel_unshuffle(x[..., 3::2], 2).mean(1, keepdim=True)
        x = F.avg_pool2d(x, 3)
        weight = torch.ones(1, 1, 3, 3, dtype=x.dtype, device=x.device)
        return F.conv2d(x, weight, padding="same", dilation=2) + F.conv2d(x, weight, None, 1, (1, 1))


@pytest.mark.parametrize(
    ("module", "c"),
    [
        (CBS(3, 4, 3, 2), 3),
        (CBS(3, 4, 5), 3),
        (DepthwiseCBS(3, 4, 3, 2), 3),
        (Focus(3, 4), 3),
        (Bottleneck(4), 4),
        (CSPLayer(4, 4, 3), 4),
        (SPP(4, 4), 4),
        (nn.Sequential(Focus(3, 4), CBS(4, 4, 3, 2), CSPLayer(4, 4, 2), SPP(4, 4)), 3),
        (Ups(2), 1),
        (Ups(4), 1),
        (Odd(), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_field_is_the_footprint_of_the_gradient(module, c):
    whole = Whole(module)
    shape = (1, c, 64, 96)
    (layer,) = viz.trace(whole, shape)
    assert max(footprints(positive(whole), shape)) == layer.field


def test_fields_of_the_whole_model_are_footprints(one_thread):
    """Pico, on a picture so wide that no field is cut off at its sides."""
    shape = (1, 3, 32, 2304)
    model = yolox_edu.build("pico", 2)
    layers = {layer.name: layer for layer in viz.trace(model, shape)}
    positive(model)
    model.requires_grad_(False)

    for i, name in enumerate(("dark3", "dark4", "dark5")):
        found = footprints(model.backbone, shape, lambda maps, i=i: maps[i])
        assert set(found) == {layers[name].field}, name
    for i, name in enumerate(("topdown3", "bottomup4", "bottomup5")):
        found = footprints(lambda x: model.neck(*model.backbone(x)), shape, lambda maps, i=i: maps[i])
        assert max(found) == layers[name].field, name

    def level(i):
        def run(x):
            rows = model.head.levels[i](model.neck(*model.backbone(x))[i])  # 1 h·w d
            side = 2304 // (8, 16, 32)[i]
            return rows.transpose(1, 2).unflatten(2, (-1, side))  # 1 d h w

        return run

    for i in range(3):
        assert max(footprints(level(i), shape)) == layers[f"head.{i}"].field
