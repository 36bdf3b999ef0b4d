"""The real Nano checkpoints against the networks published in ONNX, on real pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from yolox_edu.data.letterbox import letterbox
from yolox_edu.weights import load_official

onnxruntime = pytest.importorskip("onnxruntime")

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


LIMIT = 1e-3  # boxes undecoded, objectness and classes as probabilities


def photographs(shared: Path) -> torch.Tensor:
    """The first ten of val2017 that are there, letterboxed: uint8 10 3 416 416."""
    files = sorted((shared / "coco-mini").rglob("*val2017/*.jpg"))[:10]
    arrays = [np.array(Image.open(file).convert("RGB")) for file in files]
    return torch.stack([letterbox(array, (416, 416))[0] for array in arrays])


@pytest.fixture(scope="module")
def pictures(shared) -> torch.Tensor:
    if not any((shared / "coco-mini").rglob("*val2017/*.jpg")):
        pytest.skip(f"no pictures in {shared / 'coco-mini'}")
    return photographs(shared)


@torch.no_grad()
def twin_differences(shared: Path, release: str, pictures: torch.Tensor) -> tuple[list[float], int]:
    """For each picture the largest difference from the ONNX file; and in how many an object is found."""
    model = load_official(shared / "weights" / f"yolox_nano_{release}.pth", 80, legacy=release == "legacy")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    twin = onnxruntime.InferenceSession(
        shared / "weights" / f"yolox_nano_{release}.onnx", options, providers=["CPUExecutionProvider"]
    )
    (name,) = (i.name for i in twin.get_inputs())
    differences, seen = [], 0
    for picture in pictures:
        ours = picture / 255
        theirs = (ours - MEAN) / STD if release == "legacy" else picture.flip(0).float()
        raw = model.raw(ours[None])
        raw[..., 4:] = raw[..., 4:].sigmoid()  # as the ONNX file does; boxes stay undecoded in both
        expected = torch.from_numpy(twin.run(None, {name: theirs[None].numpy()})[0])
        assert raw.shape == expected.shape == (1, 3549, 85)
        differences.append((raw - expected).abs().max().item())
        seen += int(raw[..., 4].max() > 0.5)
    return differences, seen


@pytest.mark.parametrize("release", ["0.1.1", "legacy"])
def test_equal_to_the_onnx_twin(shared, pictures, release):
    differences, seen = twin_differences(shared, release, pictures)
    assert len(differences) >= 8
    assert max(differences) < LIMIT
    assert seen >= 5  # objects are found, so the comparison means something
