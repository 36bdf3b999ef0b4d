"""Equal to the official model (pixeltable-yolox, a port of Megvii's code that keeps its rules).

Both networks get the same random weights, through `save_official` and the official strict loading, and the
same random pictures: ours as RGB in [0, 1], theirs as BGR in 0 to 255.
"""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import yolox_edu
from yolox_edu import weights

yolox_config = pytest.importorskip("yolox.config", reason="the official model: pip install pixeltable-yolox")

PRESETS = ("nano", "tiny", "s", "m", "l", "x")
SIZES = ((416, 416), (640, 640), (384, 640))
LIMITS = {"raw": 1e-4, "boxes": 1e-2, "scores": 1e-5}  # largest differences: logits, pixels, probabilities
GRADIENT = 1e-4  # largest difference of a parameter's gradient, in parts of its largest entry


def randomise(model: nn.Module) -> None:
    """Random weights under which the numbers neither die out nor explode on their way.

    Every tensor of every batch norm is random; the variances are moreover scaled, layer after layer in
    one forward pass, to the mean square of what arrives there, which keeps the output near 1.
    """

    def fit(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        square = inputs[0].square().mean()
        norm.running_mean.normal_().mul_(0.2 * square.sqrt())
        norm.running_var.uniform_(0.5, 1.5).mul_(square)
        nn.init.uniform_(norm.weight, 1.0, 2.0)
        nn.init.normal_(norm.bias, std=0.5)

    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(fit) for norm in norms]
    with torch.no_grad():
        model.eval().raw(pictures(1, (128, 128))[0])
    for hook in hooks:
        hook.remove()
    for level in model.head.levels:  # as in a trained network: boxes from a tenth to ten strides, no more
        for prediction in (level.reg_pred, level.obj_pred, level.cls_pred):
            nn.init.normal_(prediction.weight, std=0.25 * prediction.in_channels**-0.5)


def official(name: str) -> nn.Module:
    return yolox_config.YoloxConfig.get_named_config(f"yolox_{name}").get_model()


def make_pair(name: str, folder: Path) -> tuple[yolox_edu.YOLOX, nn.Module]:
    """Ours and the official network, in eval mode, with the same weights."""
    torch.manual_seed(1)
    ours, theirs = yolox_edu.build(name), official(name)
    randomise(ours)
    path = folder / f"{name}.pth"
    weights.save_official(ours, path)
    theirs.load_state_dict(torch.load(path, weights_only=True)["model"])
    path.unlink()  # X is 400 MB
    return ours.eval(), theirs.eval()


@pytest.fixture(scope="module", params=PRESETS)
def pair(request, tmp_path_factory) -> tuple[yolox_edu.YOLOX, nn.Module]:
    return make_pair(request.param, tmp_path_factory.mktemp("parity"))


def pictures(n: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The same random pictures as ours (RGB, [0, 1]) and as the official code has them (BGR, 0 to 255).

    Blots of many sizes rather than plain noise, which deep layers would see as one even grey.
    """
    octaves = [F.interpolate(torch.rand(n, 3, k, k), size, mode="bilinear") for k in (2, 4, 8, 16, 32, 64)]
    pixels = (torch.stack(octaves).sub(0.5).sum(0) * 0.6 + 0.5).clamp(0, 1).mul(255).round()
    return pixels / 255, pixels.flip(1)


def official_raw(head: nn.Module, run) -> tuple[Tensor, Tensor]:
    """The result of `run()`, and what the head's last convolutions said meanwhile: n a 5+k logits."""
    seen: dict[str, list[Tensor]] = {"reg": [], "obj": [], "cls": []}
    hooks = [
        conv.register_forward_hook(lambda module, inputs, output, name=name: seen[name].append(output))
        for name in seen
        for conv in getattr(head, f"{name}_preds")
    ]
    result = run()
    for hook in hooks:
        hook.remove()
    levels = [torch.cat(level, dim=1).flatten(2) for level in zip(*seen.values(), strict=True)]
    return result, torch.cat(levels, dim=2).transpose(1, 2)


@torch.no_grad()
def output_differences(ours: nn.Module, theirs: nn.Module, size: tuple[int, int]) -> dict[str, float]:
    """The largest differences on one random picture: of the raw output, of decoded boxes, of scores."""
    rgb, bgr = pictures(1, size)
    raw = ours.raw(rgb)
    decoded, expected = official_raw(theirs.head, lambda: theirs(bgr))
    assert 0.2 < expected.std() < 10  # the comparison is not between zeros

    boxes, scores = yolox_edu.decode(raw, size)
    centre, extent = decoded[..., :2], decoded[..., 2:4]  # the official boxes are cxcywh
    corners = torch.cat((centre - extent / 2, centre + extent / 2), dim=-1)
    found = {
        "raw": raw - expected,
        "boxes": boxes - corners,
        "scores": scores - decoded[..., 4:5] * decoded[..., 5:],
    }
    return {name: difference.abs().max().item() for name, difference in found.items()}


def test_outputs(pair):
    for size in SIZES:
        for name, difference in output_differences(*pair, size).items():
            assert difference < LIMITS[name], (size, name)


def gradient_differences(name: str, folder: Path) -> dict[str, float]:
    """Of every parameter, with batch norm in training mode, for a random linear function of the output.

    In float64: in float32 the two sum in another order, and forty batch norms in a row amplify that to
    about the size of the tolerance. The pictures of both are the same to the last bit but for 1/255.
    Gives for each parameter the largest difference in parts of the largest entry.
    """
    ours, theirs = yolox_edu.build(name), official(name)
    randomise(ours)
    weights.save_official(ours.double(), folder / "w.pth")
    theirs.double().load_state_dict(torch.load(folder / "w.pth", weights_only=True)["model"])
    rgb, bgr = (x.double() for x in pictures(2, (96, 128)))
    rgb = bgr.flip(1) / 255

    raw = ours.train().raw(rgb)
    functional = torch.randn_like(raw)
    (raw * functional).sum().backward()
    theirs.train()
    theirs.head.training = False  # of the head alone: give the outputs, not the losses
    _, expected = official_raw(theirs.head, lambda: theirs.head(theirs.backbone(bgr)))
    (expected * functional).sum().backward()
    assert (raw - expected).abs().max() < 1e-9
    for key, buffer in theirs.named_buffers():  # the running statistics moved alike, too
        mine = dict((weights.official_name(k), b) for k, b in ours.named_buffers())[key]
        assert torch.allclose(mine.to(buffer.dtype), buffer, rtol=1e-6, atol=1e-9), key

    wanted = {key: p.grad for key, p in theirs.named_parameters()}
    got = {weights.official_name(key): p.grad for key, p in ours.named_parameters()}
    stem = weights.official_name(weights.STEM)
    got[stem] = weights.flip_channels(got[stem]) * 255  # our weight is 255 x theirs: the chain rule
    assert set(got) == set(wanted)
    assert all(gradient.abs().max() > 0 for gradient in wanted.values())
    return {
        key: ((got[key] - gradient).abs().max() / gradient.abs().max()).item()
        for key, gradient in wanted.items()
    }


@pytest.mark.parametrize("name", ["nano", "s"])
def test_gradients(name, tmp_path):
    for key, difference in gradient_differences(name, tmp_path).items():
        assert difference <= GRADIENT, key


def test_names_cover_every_official_tensor():
    for name in PRESETS:
        with torch.device("meta"):
            ours = yolox_edu.build(name).state_dict()
            theirs = official(name).state_dict()
        assert {weights.official_name(k): tuple(v.shape) for k, v in ours.items()} == {
            k: tuple(v.shape) for k, v in theirs.items()
        }
