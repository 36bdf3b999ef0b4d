"""Every way a file of weights can be wrong, planted one by one: each gets a clear WeightsError."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import yolox_edu
from yolox_edu import weights
from yolox_edu.weights import WeightsError, load, load_official, save, save_official


@pytest.fixture(scope="module")
def model() -> yolox_edu.YOLOX:
    return yolox_edu.build("nano", 2).eval()


class Evil:
    """Unpickling this would run a command; the test sees whether it did."""

    def __reduce__(self):
        return os.system, ("touch owned",)


def official_state(model: yolox_edu.YOLOX) -> dict[str, torch.Tensor]:
    return {weights.official_name(key): tensor.clone() for key, tensor in model.state_dict().items()}


def cut(fraction: float, write: Callable[[Path], None]) -> Callable[[Path], None]:
    def plant(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])

    return plant


def planted(model: yolox_edu.YOLOX) -> dict[str, tuple[Callable[[Path], object], str]]:
    """Case: (how to write the bad file, what the message must say)."""
    state = official_state(model)
    stem, extra = "backbone.backbone.stem.conv.conv.weight", {"head.extra": torch.zeros(1)}
    some = {key: tensor for key, tensor in state.items() if ".C3_p4." not in key}
    wide = {**state, "head.reg_preds.1.weight": torch.zeros(4, 9, 1, 1)}

    def pt(content, **options):
        return lambda path: torch.save(content, path, **options)

    def text(content: bytes):
        return lambda path: path.write_bytes(content)

    def archive(path):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("weights.txt", "hello")

    described = {"format": weights.FORMAT, "model": json.dumps({"preset": "nano", "num_classes": 2})}
    alien = {"format": weights.FORMAT, "model": json.dumps({**weights.description(model), "preset": "pluto"})}
    return {
        "folder": (lambda path: path.mkdir(), r"is a folder"),
        "missing": (lambda path: None, r"no such file; chapter 20 says where"),
        "empty": (text(b""), r"is empty"),
        "text": (text(b"hello, I am no network"), r"no checkpoint: expected an official YOLOX \.pth"),
        "html": (text(b"\n<!DOCTYPE html><html>"), r"an HTML page.*direct link"),
        "lfs": (text(b"version https://git-lfs.github.com/spec/v1"), r"Git LFS pointer.*git lfs pull"),
        "jpeg": (lambda path: Image.new("RGB", (8, 8)).save(path, "JPEG"), r"a JPEG picture"),
        "onnx": (text(b"\x08\x06\x12\x07pytorch\x1a\x061.11.0"), r"an ONNX network.*take the \.pth"),
        "zip": (archive, r"another zip archive"),
        "code": (pt({"model": state, "spy": Evil()}), r"refused.*(posix|nt)\.system.*would run"),
        "code, plain": (lambda path: path.write_bytes(pickle.dumps(Evil())), r"refused.*could run any code"),
        "numpy": (pt({"model": {"a": np.ones(3)}}), r"refused: besides tensors.*numpy"),
        "whole model": (pt(model), r"refused.*yolox_edu\.model\.YOLOX.*model\.state_dict\(\)"),
        "list": (pt([1, 2]), r"no checkpoint.*holds one list"),
        "other dict": (pt({"model": 3, "epoch": 4}), r"no state dict in it, only 2 \(model, epoch\)"),
        "other network": (
            pt({"model": {"conv1.weight": torch.zeros(2)}}),
            r"another network.*1 \(conv1\.weight\)",
        ),
        "ours, bare": (pt(model.state_dict()), r"our own tensors, saved bare: use load_state_dict"),
        "no such preset": (
            pt({**state, stem: torch.zeros(20, 12, 3, 3)}),
            r"20 channels.*fits no preset of nano",
        ),
        "missing tensors": (
            pt(some),
            r"not a whole nano with 2 classes: missing: 36 \(backbone\.C3_p4\.conv1\.\S+, ",
        ),
        "extra tensors": (pt({**state, **extra}), r"unexpected: 1 \(head\.extra\)"),
        "shape": (pt(wide), r"head\.reg_preds\.1\.weight \(4, 9, 1, 1\), expected \(4, 64, 1, 1\)"),
        "bare safetensors": (
            lambda path: save_file(state, path),
            r"metadata should say 'yolox_edu weights 1'",
        ),
        "newer": (
            lambda path: save_file(state, path, {"format": "yolox_edu weights 9"}),
            r"says '.*weights 9'",
        ),
        "field": (lambda path: save_file(state, path, described), r"description .* lacks the field 'names'"),
        "alien": (lambda path: save_file(state, path, alien), r"description .* no preset 'pluto'"),
        "garbled": (
            lambda path: save_file(state, path, {**alien, "model": "{"}),
            r"description of the model",
        ),
        "checkpoint": (pt({"format": weights.CHECKPOINT}), r"lacks the field 'preset'"),
        "no tensors": (pt({"format": weights.CHECKPOINT, **weights.description(model)}), r"missing: 642"),
        **{f"cut at {f}": (cut(f, pt({"model": state})), r"cut off or damaged") for f in (0.001, 0.5, 0.999)},
        **{
            f"cut, old container, at {f}": (
                cut(f, pt({"model": state}, _use_new_zipfile_serialization=False)),
                r"cut off or damaged|refused: damaged",
            )
            for f in (0.001, 0.1, 0.5, 0.999)
        },
        **{
            f"cut, own, at {f}": (cut(f, lambda path: save(model, path)), r"cut off or damaged")
            for f in (0.001, 0.5, 0.999)
        },
    }


CASES = list(planted(yolox_edu.build("nano", 2)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_bad_files(case, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plant, expected = planted(model)[case]
    path = tmp_path / "bad.pth"
    plant(path)
    with pytest.raises(WeightsError, match=rf"(?s)bad\.pth.*{expected}") as caught:
        load(path)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 600 + len(str(path))
    assert not (tmp_path / "owned").exists()


def test_wrong_number_of_classes(model, tmp_path):
    save_official(model, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"has 2 classes, 20 were asked for.*load_for_finetune\(.*=20"):
        load_official(tmp_path / "w.pth", num_classes=20)
    save(model, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"our own format: use yolox_edu\.weights\.load"):
        load_official(tmp_path / "w.safetensors")


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(WeightsError("w.pth", "is gone")))
    assert str(error) == "w.pth: is gone"
