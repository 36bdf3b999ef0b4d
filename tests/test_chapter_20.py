"""Chapter 20: its second network is the official code's, its faults are the faults, its prose is true."""

import ast
import copy
import hashlib
import json
import re
from itertools import product

import notebooks
import official_nano
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_iou

from yolox_edu import measured, weights
from yolox_edu.data.coco import open_coco
from yolox_edu.data.crossing import Crossing
from yolox_edu.evaluate import evaluate
from yolox_edu.exercises import ch20 as checks
from yolox_edu.viz import ch20

pytestmark = pytest.mark.usefixtures("one_thread")
CHAPTER = notebooks.BOOK / "20_official_weights.ipynb"


def code():
    return [cell for cell in notebooks.read(CHAPTER).cells if cell.cell_type == "code"]


def printed():
    return "".join(out.get("text", "") for cell in code() for out in cell.outputs)


@pytest.fixture(scope="module")
def network():
    """The second network, as the chapter's cells define it: (state dict, n 3 h w) -> n a 5+k."""
    names = {"cbs", "csp", "backbone", "level", "network"}
    tree = [node for cell in code() for node in ast.parse(cell.source).body]
    wanted = [node for node in tree if getattr(node, "name", None) in names]
    assert len(wanted) == len(names)
    space = {"torch": torch, "F": F}
    exec(compile(ast.Module(wanted, []), "chapter 20", "exec"), space)
    return space["network"]


@pytest.fixture(scope="module")
def streets():
    """The chapter's eight streets: RGB up to 1 (n 3 h w), and what stands in them."""
    pictures, targets = zip(*Crossing.split("val", 8))
    return torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures]) / 255, targets


@pytest.fixture(scope="module")
def model():
    return weights.load("crossing")


# --- the second network -------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["nano", "tiny"])
def test_the_second_network_is_the_official_code_s(network, preset, tmp_path):
    pytest.importorskip("yolox.config", reason="the official model: pip install pixeltable-yolox")
    import test_parity

    _, theirs = test_parity.make_pair(preset, tmp_path)
    bgr = test_parity.pictures(1, (96, 128))[1]
    with torch.inference_mode():
        given = network(theirs.state_dict(), bgr)  # 1 a 85
        _, wanted = test_parity.official_raw(theirs.head, lambda: theirs(bgr))
    assert given.shape == (1, 12 * 16 + 6 * 8 + 3 * 4, 85)
    assert wanted.std() > 0.2
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-4)


def test_the_second_network_runs_the_published_files(network, shared):
    file = shared / "weights" / "yolox_nano_0.1.1.pth"
    state, x = torch.load(file, weights_only=True)["model"], torch.rand(1, 3, 96, 128)
    with torch.inference_mode():
        ours = weights.load_official(file).raw(x)
        theirs = network(state, 255 * x.flip(1))
        assert (ours - theirs).abs().max() < 1e-3
        assert (ours - network(state, 255 * x)).abs().max() > 0.1, "red and blue count"


@pytest.mark.parametrize("preset", ["nano", "tiny"])
def test_no_fault_can_hide_in_a_new_network(network, streets, preset, tmp_path):
    x = streets[0][:1]
    right = ch20.shaken(preset, x)
    assert all(torch.equal(a, b) for a, b in zip(right.parameters(), ch20.shaken(preset, x).parameters()))
    weights.save_official(right, tmp_path / "any.pth")
    state = torch.load(tmp_path / "any.pth", weights_only=True)["model"]
    with torch.inference_mode():
        out = right.raw(x)
        assert (network(state, 255 * x.flip(1)) - out).abs().max() < 1e-3
        for fault in ch20.FAULTS:
            assert (ch20.planted(right, fault).raw(x) - out).abs().max() > 0.05, fault
    assert 0.5 < out.std() < 5


# --- the faults ---------------------------------------------------------------------------------------------


def test_each_fault_starts_where_it_was_planted(model, streets):
    x = streets[0][:2]
    right, off, same = ch20.activations(model, x), {}, {}
    for fault in ch20.FAULTS:
        wrong = ch20.planted(model, fault)
        for (name, a), (other, b) in zip(model.state_dict().items(), wrong.state_dict().items(), strict=True):
            assert name == other
            assert a.shape == b.shape
            names_swapped = fault == "conv1, conv2 swapped" and ".bottomup5." in name
            assert torch.equal(a, b) or names_swapped
        seen = ch20.activations(wrong, x)
        off[fault] = ch20.differences(right, seen)
        same[fault] = sum(torch.equal(a, seen[name]) for name, a in right.items())
        first = next(name for name, value in off[fault].items() if value > 1e-6)
        assert f"The first is {first}, by" in ch20.sentence(off[fault])
        start = {"bilinear upsampling": "neck.topdown4", "SPP after the CSP block": "backbone.dark5.1"}
        start["conv1, conv2 swapped"] = "neck.bottomup5"
        assert first == start.get(fault, "backbone.stem")
    assert same["bilinear upsampling"] == 11
    names = {name for name, value in off["conv1, conv2 swapped"].items() if value > 0}
    assert names == {"neck.bottomup5", "head.levels.2"}, "its own part and the head behind it"
    eps, spp = off["batch norm's eps 1e-5"], off["SPP after the CSP block"]
    assert 0.0007 < eps["backbone.stem"] < 0.002, "a tenth of a per cent"
    assert max(eps.values()) < 0.006, "not to be seen on a linear scale"
    assert 1.5 < spp["backbone.dark5.1"] < 2.3, "nearly twice its size"
    assert all(value > 0.05 for value in list(spp.values())[8:])


def test_the_mistake_in_the_names_is_one_of_names(model, streets, tmp_path):
    weights.save_official(model, tmp_path / "any.pth")
    state = torch.load(tmp_path / "any.pth", weights_only=True)["model"]
    trade = {
        "backbone.C3_n4.conv1.": "backbone.C3_n4.conv2.",
        "backbone.C3_n4.conv2.": "backbone.C3_n4.conv1.",
    }
    wrong = {trade.get(key[:21], key[:21]) + key[21:]: tensor for key, tensor in state.items()}
    assert wrong.keys() == state.keys()
    torch.save({"model": wrong}, tmp_path / "wrong.pth")
    x = streets[0][:1]
    given = ch20.planted(model, "conv1, conv2 swapped").raw(x)
    torch.testing.assert_close(given, weights.load_official(tmp_path / "wrong.pth").raw(x), rtol=0, atol=1e-3)
    assert (given - model.raw(x)).abs().max() > 1


def test_without_dark5_the_streets_hardly_miss_it(model, streets):
    mute = ch20.silent(model, "backbone.dark5")
    assert not ch20.activations(mute, streets[0][:1])["neck.lateral5"].isnan().any()
    assert ch20.found(mute, *streets)[0] == ch20.found(model, *streets)[0] - 1, "one object less"
    assert "dark5 silent: 46 of 54 found" in printed()


def test_the_phases_and_colours_are_the_ones_named(model, streets):
    x = streets[0][:1]
    swapped = ch20.activations(ch20.planted(model, "red and blue swapped"), x)["backbone.stem"]
    torch.testing.assert_close(swapped, ch20.activations(model, x.flip(1))["backbone.stem"])
    turned = copy.deepcopy(model)
    conv = turned.backbone.stem.cbs.conv
    for (ours, rows), colour in product(zip(range(4), (0, 2, 1, 3)), range(3)):
        conv.weight.data[:, 3 * rows + colour] = model.backbone.stem.cbs.conv.weight[:, 3 * ours + colour]
    given = ch20.activations(ch20.planted(model, "phases row by row"), x)["backbone.stem"]
    torch.testing.assert_close(given, ch20.activations(turned, x)["backbone.stem"], rtol=1e-4, atol=1e-4)


def test_found_counts_what_a_loop_counts(model, streets):
    x, targets = streets
    hits = false = 0
    with torch.inference_mode():
        for each, target in zip(model(x), targets):
            good = set()
            for box, label in zip(each["boxes"], each["labels"].tolist()):
                of_class = [i for i, k in enumerate(target["labels"]) if k == label]
                iou = [box_iou(box[None], torch.as_tensor(target["boxes"][i])[None]).item() for i in of_class]
                mine = {i for i, value in zip(of_class, iou) if value >= 0.5}
                good |= mine
                false += not mine
            hits += len(good)
    assert ch20.found(model, x, targets) == (hits, false)
    assert f"none                     {hits} of {sum(len(t['boxes']) for t in targets)} found" in printed()


# --- the folded mean ----------------------------------------------------------------------------------------


def test_the_folded_mean_comes_in_from_the_border(model, streets, tmp_path):
    weights.save_official(model, tmp_path / "any.pth")
    legacy = weights.load_official(tmp_path / "any.pth", legacy=True)
    x = streets[0][:1]
    a, b = (ch20.activations(net, x) for net in (legacy, ch20.mean_folded(legacy)))
    touched, worst = [], 0.0
    for part in ("stem", "dark2.1", "dark3.1", "dark4.1", "dark5.1", "dark5.2"):
        t, f = a[f"backbone.{part}"][0], b[f"backbone.{part}"][0]
        off = (t - f).norm(dim=0) / t.norm(dim=0)  # h w
        touched.append((off > 1e-5).float().mean().item())
        worst, middle = max(worst, off.max().item()), off[off.shape[0] // 2, off.shape[1] // 2].item()
        assert middle < 1e-5 or part.startswith("dark5")
    assert touched == sorted(touched)
    assert touched[0] == pytest.approx(1 - (158 / 160) ** 2, abs=1e-6), "a frame of one cell"
    assert touched[3] < 1 == touched[4] == touched[5]
    assert 0.02 < worst < 0.04
    assert middle < 0.002


# --- what was measured --------------------------------------------------------------------------------------


def test_the_street_is_measured_again(shared):
    kept = measured.recall("official_nano")["rows"]["street"]
    for release, rows in kept.items():
        file = shared / "weights" / f"yolox_nano_{release}.pth"
        again = official_nano.looked(weights.load_official(file, legacy=release == "legacy"))
        assert [r["name"] for r in again] == [r["name"] for r in rows]
        for new, old in zip(again, rows):
            assert new["score"] == pytest.approx(old["score"], abs=0.002)
            assert new["box"] == pytest.approx(old["box"], abs=0.3)


def test_the_photograph_is_measured_again_and_shows_what_it_shows(shared):
    assert hashlib.sha256(ch20.photograph().read_bytes()).hexdigest().startswith("a8ca6d734765703b")
    for release, rows in measured.recall("official_nano")["rows"]["photograph"].items():
        assert [r["name"] for r in rows] == ["person", "tie"]
        assert min(r["score"] for r in rows) >= 0.8
        file = shared / "weights" / f"yolox_nano_{release}.pth"
        model = weights.load_official(file, legacy=release == "legacy")
        for new, old in zip(official_nano.looked(model, ch20.photograph()), rows, strict=True):
            assert new["name"] == old["name"]
            assert new["score"] == pytest.approx(old["score"], abs=0.002)


def test_the_boxes_of_the_street_are_right():
    target = Crossing.split("val", 8, size=640)[7][1]
    rows = measured.recall("official_nano")["rows"]["street"]["0.1.1"]
    names = [Crossing.split("val", 1).names[k] for k in target["labels"]]
    iou = box_iou(torch.tensor([r["box"] for r in rows]), torch.as_tensor(target["boxes"]).float())
    best = iou.argmax(1).tolist()
    assert iou.max(1).values.min() > 0.5
    assert [names[i] for i in best] == [r["name"] for r in rows]
    assert len(set(best)) == len(rows) == 8
    assert len(names) == 11


def test_a_fault_is_measured_again(shared):
    fault = "SPP after the CSP block"  # "none" is measured again in test_real_ap.py
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    (kept,) = (r for r in measured.recall("official_nano")["rows"]["faults"] if r["fault"] == fault)
    source = open_coco(shared / "coco-mini", "val2017")
    report = evaluate(ch20.planted(model, fault), source, 416, progress=False)
    assert abs(report.AP - kept["AP"]) < 0.003


def test_the_copy_of_the_weights_has_its_batch_norm_folded(shared):
    model = weights.load_official(shared / "weights" / "yolox_nano_0.1.1.pth")
    for name, tensor in model.named_buffers():
        if name.endswith("running_var"):
            torch.testing.assert_close(tensor, torch.full_like(tensor, 0.999))
    moved = (1.0 / 0.99901) ** 0.5 - 1
    assert 0.00048 < moved < 0.00052, "a twentieth of a per cent"


def test_the_command_writes_the_street(shared, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["official_nano.py", "--quick", "--out", str(tmp_path)])
    official_nano.main()
    rows = json.loads((tmp_path / "official_nano.json").read_text())["rows"]
    assert set(rows) == {"street", "photograph"}


# --- what the prose says ------------------------------------------------------------------------------------


def test_what_is_said_of_the_numbers():
    text = printed()
    found = {
        n: (int(a), int(b)) for n, a, b in re.findall(r"^(\S.*?) +(\d+) of 54 found, (\d+) false", text, re.M)
    }
    right, _ = found.pop("none"), found.pop("dark5 silent:")
    assert len(found) == 7
    assert sum(a >= 42 for a, _ in found.values()) == 5, "five of seven pass"
    assert sum(a > right[0] and b < right[1] for a, b in found.values()) == 2, "two look better"
    kept = measured.recall("official_nano")["rows"]
    ap = {row["fault"]: row["AP"] for row in kept["faults"]}
    assert 0.15 < ap["SPP after the CSP block"] / ap["none"] < 0.25, "four fifths lost"
    assert abs(ap["SPP after the CSP block"] - ap["dark5 silent"]) < 0.002, "as much as no dark5 at all"
    assert re.search(r"^folded +47 objects found\n255 forgotten 0 objects found$", text, re.M)
    assert max(ap, key=ap.get) == "bilinear upsampling"
    read = {(row["file"], row["read as"]): row["AP"] for row in kept["releases"]}
    assert max(read["0.1.1", "legacy"], read["legacy", "0.1.1"]) < 0.01, "everything"
    assert 0.001 < read["legacy", "legacy"] - read["legacy", "legacy, mean folded"] < 0.003
    parity = measured.recall("parity")["rows"]
    wide = {row["preset"]: row["raw"] for row in parity["outputs"] if row["height"] == 640}
    assert wide["s"] < wide["m"] < wide["l"] < wide["x"] < 1e-4
    assert max(abs(row["AP"] - row["official AP"]) for row in parity["precision"]) < 0.001


def test_nobody_s_checkpoint_runs_code(tmp_path):
    class Passenger:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    torch.save({"model": {}, "extra": Passenger()}, tmp_path / "evil.pth")
    with pytest.raises(weights.WeightsError, match="refused"):
        weights.load(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_the_figures_start_names_and_counts():
    html = "".join(out.get("data", {}).get("text/html", "") for cell in code() for out in cell.outputs)
    assert "neck.topdown4.main.conv.weight is backbone.C3_p4.conv1.conv.weight; 54 tensors" in html
    assert "The first is backbone.dark5.1" in html
    assert re.search(r"On eight streets it finds 44 of 54, and 9 false", html)


def test_the_two_wrong_layers_of_the_exercise_leave_a_trace():
    """A mapping error shows in the state dict, a setting does not; both kinds are drawn."""
    kinds = set()

    def spy(right, wrong, x):
        kinds.add(all(torch.equal(a, b) for a, b in zip(right.parameters(), wrong.parameters())))
        return "neither"

    for seed in range(8):
        with pytest.raises(checks.Wrong, match="no module without children"):
            checks.culprit(spy, checks.Random(seed))
    assert kinds == {True, False}
