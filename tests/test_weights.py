"""Weights in and out: round trips, both releases, our own format, fine-tuning."""

import copy
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import yolox_edu
from yolox_edu import official, weights
from yolox_edu.data.coco_names import COCO_IDS, COCO_NAMES
from yolox_edu.weights import WeightsError, load, load_for_finetune, load_official, save, save_official


@pytest.fixture(scope="module")
def model() -> yolox_edu.YOLOX:
    """A Nano of two classes with names, ids and a size of its own, and batch norm statistics that moved."""
    torch.manual_seed(0)
    model = yolox_edu.build("nano", 2, names=["cat", "dog"])
    with torch.no_grad():
        model.raw(torch.rand(4, 3, 64, 64))  # in training mode: moves the statistics
    model.category_ids, model.size = (17, 18), (320, 416)
    return model.eval()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.randint(0, 256, (1, 3, 64, 96)) / 255


def raw(model: yolox_edu.YOLOX, picture: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.raw(picture)


def legacy_copy(model: yolox_edu.YOLOX, tmp_path: Path) -> yolox_edu.YOLOX:
    save_official(model, tmp_path / "as_legacy.pth")
    return load_official(tmp_path / "as_legacy.pth", legacy=True)


def same_tensors(a: yolox_edu.YOLOX, b: yolox_edu.YOLOX) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# --- official files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(yolox_edu.PRESETS))
def test_presets_are_recognised(name, tmp_path):
    if name in ("m", "l", "x"):  # only shapes matter: no need to write 400 MB
        with torch.device("meta"):
            state = yolox_edu.build(name, 7).state_dict()
        state = {weights.official_name(key): tensor for key, tensor in state.items()}
        assert official._recognise(tmp_path, state) == (yolox_edu.PRESETS[name], 7)
        return
    save_official(yolox_edu.build(name, 7), tmp_path / "w.pth")
    loaded = load_official(tmp_path / "w.pth")
    assert (loaded.preset.name, loaded.num_classes, loaded.training) == (name, 7, False)
    assert loaded.size == (loaded.preset.size, loaded.preset.size)


def test_official_round_trip(model, picture, tmp_path):
    save_official(model, tmp_path / "w.pth")
    loaded = load_official(tmp_path / "w.pth", 2)
    assert (raw(loaded, picture) - raw(model, picture)).abs().max() < 1e-6
    ours, theirs = model.state_dict(), loaded.state_dict()
    for key in ours:  # all the same but the stem, whose x 255 / 255 may round in the last bit
        tolerance = 1e-6 if key == weights.STEM else 0
        torch.testing.assert_close(theirs[key], ours[key], rtol=tolerance, atol=0)


def test_official_code_gives_the_same_numbers(model, picture, tmp_path):
    config = pytest.importorskip("yolox.config").YoloxConfig.get_named_config("yolox_nano")
    config.num_classes = 2
    official = config.get_model().eval()
    save_official(model, tmp_path / "w.pth")
    official.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True)["model"])
    official.head.decode_in_inference = False
    with torch.no_grad():
        expected = official(picture.flip(1) * 255)
    ours = raw(model, picture)
    ours[..., 4:] = ours[..., 4:].sigmoid()
    assert (ours - expected).abs().max() < 1e-5


def test_legacy_is_normalisation_before_the_stem(model, picture, tmp_path):
    legacy = legacy_copy(model, tmp_path)
    bare = copy.deepcopy(model)  # the file's network without any input rule: undo the x 255 and the flip
    stem = bare.backbone.stem.cbs.conv.weight.data
    stem.copy_(weights.flip_channels(stem) / 255)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    assert (raw(legacy, picture) - raw(bare, (picture - mean) / std)).abs().max() < 1e-6


def test_legacy_survives_copies_and_files(model, picture, tmp_path):
    legacy = legacy_copy(model, tmp_path)
    expected = raw(legacy, picture)
    assert weights.is_legacy(legacy)
    assert not weights.is_legacy(model)
    assert legacy.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(raw(copy.deepcopy(legacy), picture), expected)
    assert torch.equal(raw(pickle.loads(pickle.dumps(legacy)), picture), expected)
    save(legacy, tmp_path / "w.safetensors")
    assert torch.equal(raw(load(tmp_path / "w.safetensors"), picture), expected)
    save_official(legacy, tmp_path / "w.pth")  # bit for bit, since nothing was folded
    assert torch.equal(raw(load(tmp_path / "w.pth", legacy=True), picture), expected)
    tuned, _ = load_for_finetune(tmp_path / "w.safetensors", 3)
    assert weights.is_legacy(tuned)


@pytest.mark.parametrize("release", ["0.1.1", "legacy"])
def test_the_real_files_go_in_and_out(shared, tmp_path, release):
    file = shared / "weights" / f"yolox_nano_{release}.pth"
    model = load_official(file, 80, legacy=release == "legacy")
    assert (model.names, model.category_ids, model.size) == (COCO_NAMES, COCO_IDS, (416, 416))
    save_official(model, tmp_path / "w.pth")
    before, after = (torch.load(f, weights_only=True)["model"] for f in (file, tmp_path / "w.pth"))
    assert before.keys() == after.keys()
    for key in before:
        torch.testing.assert_close(after[key], before[key], rtol=1e-6, atol=0)


def test_bare_and_half_state_dicts_and_the_old_container_load(model, picture, tmp_path):
    save_official(model, tmp_path / "w.pth")
    state = torch.load(tmp_path / "w.pth", weights_only=True)["model"]
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"model": state}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {key: t.half() if t.is_floating_point() else t for key, t in state.items()}, tmp_path / "half.pth"
    )
    assert same_tensors(load(tmp_path / "bare.pth"), load(tmp_path / "w.pth"))
    assert same_tensors(load(tmp_path / "old.pth"), load(tmp_path / "w.pth"))
    half = load(tmp_path / "half.pth")
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    assert (raw(half, picture) - raw(model, picture)).abs().max() < 0.02


def test_coco_names():
    assert len(COCO_NAMES) == len(COCO_IDS) == len(set(COCO_NAMES)) == 80
    assert list(COCO_IDS) == sorted(COCO_IDS)
    table = dict(zip(COCO_IDS, COCO_NAMES))
    crossing = {
        1: "person",
        2: "bicycle",
        3: "car",
        6: "bus",
        8: "truck",
        10: "traffic light",
        13: "stop sign",
    }
    assert {key: table[key] for key in crossing} == crossing


def test_coco_names_are_those_of_the_real_file(shared):
    (file,) = shared.glob("coco-mini/**/instances_val2017.json")
    categories = json.loads(file.read_text())["categories"]
    assert {c["id"]: c["name"] for c in categories} == dict(zip(COCO_IDS, COCO_NAMES))


# --- our own files --------------------------------------------------------------------------------------


def test_own_round_trip(model, picture, tmp_path):
    save(model, tmp_path / "new folder" / "w.safetensors", ap=0.5, made_by="a test")
    loaded = load(tmp_path / "new folder" / "w.safetensors")
    assert same_tensors(loaded, model)
    assert not loaded.training
    assert torch.equal(raw(loaded, picture), raw(model, picture))
    assert (loaded.names, loaded.category_ids, loaded.size) == (("cat", "dog"), (17, 18), (320, 416))
    with safe_open(tmp_path / "new folder" / "w.safetensors", "pt") as file:
        assert file.metadata()["ap"] == "0.5"
    assert os.listdir(tmp_path / "new folder") == ["w.safetensors"]  # no partial file is left


def test_half_keeps_batch_norm_whole(model, picture, tmp_path):
    save(model, tmp_path / "w.safetensors", half=True)
    loaded = load(tmp_path / "w.safetensors")
    before, after = model.state_dict(), loaded.state_dict()
    assert {t.dtype for t in after.values()} == {torch.float32, torch.int64}
    for key, tensor in before.items():
        expected = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(after[key], expected), key
    assert (raw(loaded, picture) - raw(model, picture)).abs().max() < 0.01
    save(model, tmp_path / "whole.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("w", "whole")]
    assert sizes[0] < 0.6 * sizes[1]


def test_any_memory_layout_can_be_saved(model, picture, tmp_path):
    channels_last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    save(channels_last, tmp_path / "w.safetensors")
    save_official(channels_last, tmp_path / "w.pth")
    assert same_tensors(load(tmp_path / "w.safetensors"), model)
    assert (raw(load(tmp_path / "w.pth"), picture) - raw(model, picture)).abs().max() < 1e-6


def test_loading_and_saving_leave_the_random_state_alone(model, tmp_path):
    before = torch.get_rng_state()
    save(model, tmp_path / "w.safetensors")
    save_official(model, tmp_path / "w.pth")
    load(tmp_path / "w.safetensors")
    load(tmp_path / "w.pth")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_checkpoint_gives_its_average(model, tmp_path):
    checkpoint = {
        "format": weights.CHECKPOINT,
        **weights.description(model),
        "model": {key: torch.zeros_like(tensor) for key, tensor in model.state_dict().items()},
        "ema": model.state_dict(),
        "step": 3,
    }
    torch.save(checkpoint, tmp_path / "last.pt")
    loaded = load(tmp_path / "last.pt")
    assert same_tensors(loaded, model)
    assert (loaded.names, loaded.category_ids, loaded.size) == (("cat", "dog"), (17, 18), (320, 416))
    with pytest.raises(WeightsError, match=r"checkpoint of our own training: use yolox_edu\.weights\.load"):
        load_official(tmp_path / "last.pt")


def test_loaded_weights_can_be_trained(model, tmp_path):
    save(model, tmp_path / "w.safetensors")
    loaded = load(tmp_path / "w.safetensors").train()
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 50.0]]), "labels": torch.tensor([1])}
    sum(loaded(torch.rand(2, 3, 64, 64), [target, target]).values()).backward()
    assert all(p.grad is not None for p in loaded.parameters())


def test_shipped_names(model, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", (tmp_path / "absent", tmp_path / "there"))
    save(model, tmp_path / "there" / "crossing.safetensors")
    (tmp_path / "crossing").mkdir()  # a folder of that name, say a data set, is not meant
    monkeypatch.chdir(tmp_path)
    assert same_tensors(load("crossing"), model)
    with pytest.raises(
        WeightsError, match=r"no such file, nor weights that come with the package \(crossing\)"
    ):
        load("crosing")


def test_finetuning_takes_all_but_the_classes(model, tmp_path):
    save_official(model, tmp_path / "w.pth")
    tuned, fresh = load_for_finetune(tmp_path / "w.pth", 3, names=("a", "b", "c"), category_ids=(5, 6, 7))
    assert fresh == [f"head.levels.{i}.cls_pred.{part}" for i in range(3) for part in ("weight", "bias")]
    assert (tuned.training, tuned.names, tuned.category_ids) == (True, ("a", "b", "c"), (5, 6, 7))
    source, state = load(tmp_path / "w.pth").state_dict(), tuned.state_dict()
    assert all(torch.equal(state[key], source[key]) for key in state if key not in fresh)
    assert state["head.levels.0.cls_pred.weight"].shape[0] == 3
    assert torch.allclose(state["head.levels.0.cls_pred.bias"].sigmoid(), torch.tensor(0.01))
    again, fresh = load_for_finetune(tmp_path / "w.pth", 2)  # also if the number happens to be the same
    assert len(fresh) == 6
    assert not torch.equal(again.state_dict()[fresh[0]], source[fresh[0]])
    same, fresh = load_for_finetune(tmp_path / "w.pth", 2, names=load(tmp_path / "w.pth").names)
    assert fresh == []
    assert torch.equal(same.head.levels[0].cls_pred.weight, source["head.levels.0.cls_pred.weight"])


def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save(model, path)
    before = path.read_bytes()

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save(model, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]
