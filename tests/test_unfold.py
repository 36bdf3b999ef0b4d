"""Folded batch norm: recognised, and undone without changing an answer. Chapter 21."""

import argparse

import pytest
import torch
from tiny_run import make_trainer
from torch import nn

import yolox_edu
from yolox_edu import cli_train, weights
from yolox_edu.data import DatasetError, PictureError
from yolox_edu.data.crossing import Crossing
from yolox_edu.unfold import fold, is_folded, unfold


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def folded_crossing():
    model = weights.load("crossing")
    fold(model)
    return model


@pytest.fixture(scope="module")
def pictures():
    drawn = Crossing.split("train", 8, 256)
    return torch.stack([torch.from_numpy(drawn[i][0]) for i in range(8)]).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def raw(model, images, training=False):
    """What the head says, in either mode; no running statistics are changed by the look."""
    momenta = [norm.momentum for norm in norms(model)]
    for norm in norms(model):
        norm.momentum = 0.0
    model.train(training)
    out = model.head(*model.neck(*model.backbone(images)))
    for norm, momentum in zip(norms(model), momenta):
        norm.momentum = momentum
    model.eval()
    return out


def test_what_is_folded(pictures):
    assert is_folded(folded_crossing())
    assert not is_folded(weights.load("crossing"))
    assert not is_folded(yolox_edu.build("pico", 3)), "a fresh network has nothing to unfold"
    assert not is_folded(nn.Conv2d(3, 3, 1))


def test_a_folded_block_is_one_convolution_with_a_bias(pictures):
    whole, folded = weights.load("crossing").backbone.stem.cbs, folded_crossing().backbone.stem.cbs
    x = torch.rand(1, 12, 8, 8, generator=torch.Generator().manual_seed(0))
    alone = nn.functional.conv2d(x, folded.conv.weight, folded.bn.bias, padding=1)
    torch.testing.assert_close(nn.functional.silu(alone), whole.eval()(x), atol=1e-4, rtol=1e-4)


def test_folding_changes_no_answer_but_what_training_sees(pictures):
    whole, folded = weights.load("crossing"), folded_crossing()
    was = raw(whole, pictures)
    torch.testing.assert_close(raw(folded, pictures), was, atol=2e-3, rtol=1e-3)
    apart = (raw(folded, pictures, training=True) - was).abs().mean()
    assert apart > 3 * (raw(whole, pictures, training=True) - was).abs().mean()


def test_unfolded_it_computes_the_same_in_both_modes(pictures):
    model = folded_crossing()
    was = raw(model, pictures)
    other = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    was_other = raw(model, other)
    model.train()
    unfold(model, pictures)
    assert model.training, "the mode is given back"
    assert not is_folded(model)
    torch.testing.assert_close(raw(model, pictures), was, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(raw(model, other), was_other, atol=2e-3, rtol=1e-3)
    # a batch's statistics are the running ones now: on these very pictures both modes are one function
    torch.testing.assert_close(raw(model, pictures, training=True), was, atol=2e-3, rtol=1e-3)


def test_the_statistics_are_those_of_the_pictures(pictures):
    model, seen = folded_crossing(), []
    unfold(model, pictures)
    model.backbone.stem.cbs.conv.register_forward_hook(lambda *_: seen.append(_[2]))
    model(pictures)
    bn = model.backbone.stem.cbs.bn
    flat = seen[0].transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(bn.running_mean.double(), flat.mean(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(bn.running_var.double(), flat.var(1, correction=0), atol=1e-5, rtol=1e-4)


def test_the_command_unfolds_by_itself(tmp_path, capsys):
    weights.save(folded_crossing(), tmp_path / "folded.safetensors")
    given = {"seed": 0, "legacy": False, "size": 64, "resume": None}
    source = Crossing.split("train", 3, 128)
    folded = argparse.Namespace(weights=str(tmp_path / "folded.safetensors"), **given)
    model = cli_train._model(folded, source)
    assert "measured anew on 3 pictures" in capsys.readouterr().out
    assert not is_folded(model)
    assert model.training
    cli_train._model(argparse.Namespace(weights="crossing", **given), source)
    assert "measured anew" not in capsys.readouterr().out


def test_training_on_folded_weights_is_warned_of_once(tmp_path, recwarn):
    trainer = make_trainer(tmp_path)
    trainer.run(until=0)
    assert not [w for w in recwarn if "folded" in str(w.message)], "a fresh network is not folded"
    trainer.model.load_state_dict({**trainer.model.state_dict(), **biased(trainer.model)})
    with pytest.warns(UserWarning, match=r"folded into its convolutions: call yolox_edu.unfold.unfold\("):
        trainer.run(until=0)
    trainer.step = 1  # as after resuming: the statistics are the run's own by then
    recwarn.clear()
    trainer.run(until=0)
    assert not [w for w in recwarn if "folded" in str(w.message)]


def biased(model):
    """The tensors that are left of folded batch norms: biases, beside mean 0, variance 1 and scale 1."""
    fold(model)
    return {key: tensor + 0.1 for key, tensor in model.state_dict().items() if key.endswith("bn.bias")}


class Torn(Crossing):
    """A set whose first picture cannot be read."""

    def __getitem__(self, i):
        if i == 0:
            raise PictureError("0.png", "cut off")
        return super().__getitem__(i)


def test_a_torn_picture_is_left_out():
    assert len(cli_train._some(Torn(3, 0, 64), (64, 64))) == 2
    with pytest.raises(DatasetError, match="no picture of the set can be read"):
        cli_train._some(Torn(1, 0, 64), (64, 64))


def test_the_official_file_of_the_test_material_is_folded(shared):
    assert is_folded(weights.load(shared / "weights" / "yolox_nano_0.1.1.pth"))
