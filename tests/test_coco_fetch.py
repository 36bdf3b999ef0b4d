"""COCO and the official weights from a server on the loopback address, in their own layout."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from naughty import serving
from PIL import Image
from test_fetch import ROOT, full, until

import yolox_edu
from yolox_edu import fetch as fetching
from yolox_edu import partfile, released, weights
from yolox_edu.__main__ import main
from yolox_edu.data import coco_fetch, coco_pictures
from yolox_edu.data.check import check
from yolox_edu.data.coco import open_coco
from yolox_edu.data.coco_fetch import fetch_coco
from yolox_edu.data.coco_pictures import fetch_pictures
from yolox_edu.data.errors import DatasetError
from yolox_edu.fetch import FetchError, Offline, Patience
from yolox_edu.unpack import UnpackError
from yolox_edu.weights import WeightsError

CATEGORIES = [(1, "person"), (3, "car"), (10, "traffic light"), (18, "dog")]
SHOWS = [  # what the 14 pictures of val2017 show, by category id
    [1], [1, 3], [1], [1, 18], [3], [], [18], [1, 1, 1], [10], [1], [1], [3, 1], [1], [],
]  # fmt: skip
WIDTH, HEIGHT = 64, 48
pytestmark = pytest.mark.usefixtures("one_thread")


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def records(split, first, shows):
    """An annotation file such as COCO's."""
    images, annotations = [], []
    for i, categories in enumerate(shows):
        name = f"{first + i:012d}.jpg"
        image = {"id": first + i, "file_name": name, "width": WIDTH, "height": HEIGHT, "license": 4}
        images.append(image | {"coco_url": f"http://images.cocodataset.org/{split}/{name}"})
        for k, category in enumerate(categories):
            box = {"id": 100 * first + 10 * i + k + 1, "image_id": first + i, "category_id": category}
            box |= {"bbox": [5.0 + 9 * k, 6.0, 30.0, 31.0], "area": 930.0, "iscrowd": 0}
            annotations.append(box)
    return {
        "info": {"description": "COCO 2017 Dataset"},
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "supercategory": "thing"} for i, name in CATEGORIES],
    }


def zipped(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def world():
    """The files of a made-up COCO by their paths on the server, and the archives' facts."""
    files = {}
    val, train = records("val2017", 139, SHOWS), records("train2017", 9, [[1], [18], [3]])
    for split, data in (("val2017", val), ("train2017", train)):
        names = [image["file_name"] for image in data["images"]]
        pictures = {f"{split}/{name}": jpeg(int(name[:12])) for name in names}
        files |= {f"/{name}": content for name, content in pictures.items()}
        files[f"/zips/{split}.zip"] = zipped([(f"{split}/", b""), *pictures.items()])
    texts = {"instances_val2017": val, "instances_train2017": train, "captions_val2017": {"a": "caption"}}
    entries = [(f"annotations/{name}.json", json.dumps(data)) for name, data in texts.items()]
    files["/annotations/annotations_trainval2017.zip"] = zipped(entries)
    counts = {"annotations": 2, "val2017": len(SHOWS), "train2017": 3}
    archives = {}
    for part, old in coco_fetch.ARCHIVES.items():
        data = files[f"/{old.path}"]
        facts = {"size": len(data), "md5": hashlib.md5(data).hexdigest(), "files": counts[part]}
        archives[part] = dataclasses.replace(old, unpacked=100_000, **facts)
    return files, archives


@pytest.fixture
def coco(world, monkeypatch):
    """A server with that COCO, which is taken for the real one."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    files, archives = world
    monkeypatch.setattr(fetching, "PATIENCE", Patience(3, 0.001, (5.0, 5.0)))
    for part, archive in archives.items():
        monkeypatch.setitem(coco_fetch.ARCHIVES, part, archive)
    with serving() as site:
        site.files = dict(files)
        monkeypatch.setattr(coco_fetch, "BASE", site.url)
        yield site


def errors(findings):
    return [f for f in findings if f.severity in ("error", "warning")]


# --- the facts ------------------------------------------------------------------------------------------


def test_the_facts_about_the_real_archives():
    real = coco_fetch.ARCHIVES
    assert [(a.path, a.size, a.md5, a.files) for a in real.values()] == [
        (
            "annotations/annotations_trainval2017.zip",
            252_907_541,
            "f4bbac642086de4f52a3fdda2de5fa2c",
            2,
        ),
        ("zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80", 5_000),
        ("zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2", 118_287),
    ]
    assert coco_fetch.BASE == "https://s3.amazonaws.com/images.cocodataset.org"  # the name that TLS knows


# --- archives -------------------------------------------------------------------------------------------


def test_coco_is_fetched_unpacked_and_opened(coco, tmp_path):
    for part in ("annotations", "val2017", "train2017"):
        assert fetch_coco(tmp_path / "coco", part, progress=False) == tmp_path / "coco" / part
    for split, count in (("val2017", len(SHOWS)), ("train2017", 3)):
        source = open_coco(tmp_path / "coco", split)
        assert len(source) == count
        assert source.names == ("person", "car", "traffic light", "dog")
        assert source[1][0].shape == (HEIGHT, WIDTH, 3)
    assert [line for line in check(tmp_path / "coco") if line.severity == "error"] == []
    there = sorted(path.name for path in (tmp_path / "coco").iterdir())
    assert there == ["annotations", "train2017", "val2017"]  # no archive, no lock, nothing half done
    assert sorted(os.listdir(tmp_path / "coco" / "annotations")) == [
        "instances_train2017.json",
        "instances_val2017.json",
    ]
    asked = len(coco.log)
    fetch_coco(tmp_path / "coco", "val2017")  # all is there
    assert len(coco.log) == asked == 3


def test_an_archive_brought_by_hand_needs_no_network(coco, world, tmp_path, monkeypatch):
    monkeypatch.setattr(coco_fetch, "BASE", "http://127.0.0.1:9")
    with pytest.raises(Offline, match=rf"Fetch http://\S+/zips/val2017\.zip .* put it at {tmp_path}/val2017"):
        fetch_coco(tmp_path, "val2017", progress=False)
    (tmp_path / "val2017.zip").write_bytes(world[0]["/zips/val2017.zip"])
    fetch_coco(tmp_path, "val2017", progress=False, keep=True)
    assert len(os.listdir(tmp_path / "val2017")) == len(SHOWS)
    assert (tmp_path / "val2017.zip").exists()


def test_a_picture_that_is_lost_comes_again(coco, tmp_path):
    fetch_coco(tmp_path, "val2017", progress=False)
    gone = next((tmp_path / "val2017").iterdir())
    content = gone.read_bytes()
    gone.unlink()
    fetch_coco(tmp_path, "val2017", progress=False)
    assert gone.read_bytes() == content
    gone.write_bytes(b"")  # as after a power cut
    fetch_coco(tmp_path, "val2017", progress=False)
    assert gone.read_bytes() == content


def test_a_mirror_must_have_the_same_bytes(coco, tmp_path):
    coco.files["/pub/zips/val2017.zip"] = coco.files["/zips/val2017.zip"]
    fetch_coco(tmp_path, "val2017", mirror=f"{coco.url}/pub/", progress=False)
    data = bytearray(coco.files["/zips/train2017.zip"])
    data[100] ^= 1
    coco.files["/pub/zips/train2017.zip"] = bytes(data)
    with pytest.raises(FetchError, match="fetched twice, and both times its md5 is"):
        fetch_coco(tmp_path, "train2017", mirror=f"{coco.url}/pub", progress=False)
    assert not (tmp_path / "train2017").exists()


def plant(coco, monkeypatch, entries):
    """Another archive in the place of val2017.zip, with a right sum."""
    data = zipped(entries)
    coco.files["/zips/val2017.zip"] = data
    facts = {"size": len(data), "md5": hashlib.md5(data).hexdigest()}
    other = dataclasses.replace(coco_fetch.ARCHIVES["val2017"], **facts)
    monkeypatch.setitem(coco_fetch.ARCHIVES, "val2017", other)


def test_archives_that_are_not_what_they_should_be(coco, tmp_path, monkeypatch):
    plant(coco, monkeypatch, [("val2017/000000000001.jpg", b"x"), ("../evil.jpg", b"x")])
    with pytest.raises(UnpackError, match="leads out of the folder"):
        fetch_coco(tmp_path / "a", "val2017", progress=False)
    plant(coco, monkeypatch, [("val2017/000000000001.jpg", bytes(200_001))])
    with pytest.raises(UnpackError, match="looks like a bomb"):
        fetch_coco(tmp_path / "b", "val2017", progress=False)
    plant(coco, monkeypatch, [("val2017/000000000001.jpg", b"x"), ("val2017/run.sh", b"x")])
    with pytest.raises(FetchError, match=r"val2017\.zip: 1 files of val2017 are in it, not 14"):
        fetch_coco(tmp_path / "c", "val2017", progress=False)
    assert not list(tmp_path.rglob("evil.jpg")) + list(tmp_path.rglob("run.sh"))
    with pytest.raises(ValueError, match="no part 'test2017' of COCO; there are annotations, val2017"):
        fetch_coco(tmp_path, "test2017")


def test_room_for_the_archive_and_for_what_is_in_it(coco, tmp_path, monkeypatch):
    full(monkeypatch, partfile.SPARE + coco_fetch.ARCHIVES["val2017"].size + 99_999)
    with pytest.raises(FetchError, match="are needed, but"):
        fetch_coco(tmp_path, "val2017", progress=False)
    assert coco.log == []


def test_what_is_there_already_needs_no_room(coco, tmp_path, monkeypatch):
    """Nine tenths of 19 GB have come, or are unpacked: going on must not ask for all the room again."""
    data, unpacked = coco.files["/zips/val2017.zip"], coco_fetch.ARCHIVES["val2017"].unpacked
    (tmp_path / "val2017.zip.part").write_bytes(data[:-1000])
    full(monkeypatch, partfile.SPARE + unpacked + 1000)
    fetch_coco(tmp_path, "val2017", progress=False)
    shutil.rmtree(tmp_path / "val2017")
    (tmp_path / "val2017.zip").write_bytes(data)
    for path in [p for p in coco.files if p.startswith("/val2017/")][1:]:
        aside = tmp_path / ".val2017.unpacking" / path[1:]
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(coco.files[path])
    full(monkeypatch, partfile.SPARE + len(coco.files["/val2017/000000000139.jpg"]))
    fetch_coco(tmp_path, "val2017", progress=False)
    assert sorted(os.listdir(tmp_path)) == ["val2017"]


CHILD = """
import dataclasses, sys, types
package = sys.modules["yolox_edu"] = types.ModuleType("yolox_edu")  # without torch, which takes seconds
package.__path__ = ["yolox_edu"]
from yolox_edu.data import coco_fetch
folder, url, size, md5 = sys.argv[1:]
real = coco_fetch.ARCHIVES["val2017"]
coco_fetch.ARCHIVES["val2017"] = dataclasses.replace(real, size=int(size), md5=md5, files=14, unpacked=100000)
coco_fetch.fetch_coco(folder, "val2017", mirror=url, progress=False)
"""


def test_killed_in_the_middle_and_resumed(coco, tmp_path):
    archive, part = coco_fetch.ARCHIVES["val2017"], tmp_path / "val2017.zip.part"
    coco.plan["/zips/val2017.zip"] = ["stalls"]
    argv = [str(tmp_path), coco.url, str(archive.size), archive.md5]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *argv], cwd=ROOT, stderr=subprocess.PIPE)
    until(lambda: (part.exists() and part.stat().st_size > 0) or child.poll() is not None)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    had = part.stat().st_size
    fetch_coco(tmp_path, "val2017", progress=False)
    assert coco.sent("/zips/val2017.zip")[1] == archive.size - had < archive.size
    assert sorted(os.listdir(tmp_path)) == ["val2017"]
    for name in os.listdir(tmp_path / "val2017"):
        assert (tmp_path / "val2017" / name).read_bytes() == coco.files[f"/val2017/{name}"]


# --- a few pictures -------------------------------------------------------------------------------------


def test_pictures_by_turns(coco, tmp_path):
    name = fetch_pictures(tmp_path, "val2017", 4, ["dog", "person"], progress=False)
    assert name == "val2017_dog_person_4"
    assert not (tmp_path / "val2017").exists()
    assert "/zips/val2017.zip" not in {entry["path"] for entry in coco.log}
    source = open_coco(tmp_path, name)
    assert (len(source), source.names, source.category_ids) == (4, ("person", "dog"), (1, 18))
    labels = [set(source[i][1]["labels"].tolist()) for i in range(4)]
    assert sum(1 in found for found in labels) == 2  # both dogs there are, though persons are many more
    assert all(labels)
    assert errors(check(tmp_path, name, 64)) == []
    data = json.loads((tmp_path / "annotations" / f"instances_{name}.json").read_text())
    assert data["licenses"]
    assert data["images"][0]["coco_url"].startswith("http")  # where it is from stays with it
    assert data["info"]["classes"] == ["dog", "person"]
    for image in data["images"]:
        file = image["file_name"]
        assert (tmp_path / name / file).read_bytes() == coco.files[f"/val2017/{file}"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["annotations", name]


def chosen(folder, name):
    return {image["file_name"] for image in json.loads(
        (folder / "annotations" / f"instances_{name}.json").read_text()
    )["images"]}  # fmt: skip


def test_the_choice_depends_on_the_seed_and_grows(coco, tmp_path):
    sets = {
        (count, seed): chosen(tmp_path, fetch_pictures(tmp_path, "val2017", count, (), seed, progress=False))
        for count, seed in ((3, 0), (6, 0), (3, 1))
    }
    again = tmp_path / "again"
    assert chosen(again, fetch_pictures(again, "val2017", 3, progress=False)) == sets[3, 0]
    assert sets[3, 0] < sets[6, 0]
    assert sets[3, 1] != sets[3, 0]
    assert open_coco(tmp_path, "val2017_6").names == ("person", "car", "traffic light", "dog")
    assert (tmp_path / "val2017_seed1_3").is_dir()
    assert len(fetch_pictures(tmp_path, "val2017", 5, ["person", "car", "traffic light", "dog"])) < 60


def test_pictures_that_come_badly(coco, tmp_path):
    for path in [p for p in coco.files if p.startswith("/val2017/")]:
        coco.plan[path] = ["cut", "status 503"]
    name = fetch_pictures(tmp_path, "val2017", 14, progress=False)
    assert len(open_coco(tmp_path, name)) == 14
    assert errors(check(tmp_path, name, 64)) == []


def test_pictures_are_not_fetched_twice(coco, tmp_path):
    coco.always["/val2017/000000000142.jpg"] = "status 404"
    with pytest.raises(FetchError, match=r"000000000142\.jpg: the server answers 404"):
        fetch_pictures(tmp_path, "val2017", 14, workers=1, progress=False)
    assert not (tmp_path / "annotations" / "instances_val2017_14.json").exists()  # no set that is not whole
    coco.always.clear()
    name = fetch_pictures(tmp_path, "val2017", 14, progress=False)
    paths = [entry["path"] for entry in coco.log if entry.get("status") == 200]
    assert len(paths) == len(set(paths)) == 15
    (tmp_path / name / "000000000141.jpg").write_bytes(coco.files["/val2017/000000000141.jpg"][:900])
    with pytest.raises(FetchError, match=r"000000000141\.jpg: it is no whole picture .*Move it away"):
        fetch_pictures(tmp_path, "val2017", 14, progress=False)


@pytest.mark.parametrize("content", [b"no picture", jpeg(1)[:-700], "larger"])
def test_what_is_no_picture_of_that_size_is_refused(content, coco, tmp_path):
    if content == "larger":
        file = io.BytesIO()
        Image.new("RGB", (WIDTH + 1, HEIGHT)).save(file, "JPEG")
        content = file.getvalue()
    for path in [p for p in coco.files if p.startswith("/val2017/")]:
        coco.files[path] = content
    with pytest.raises(FetchError, match="fetched twice, and both times it is"):
        fetch_pictures(tmp_path, "val2017", 2, progress=False)
    assert not list((tmp_path / "val2017_2").glob("*.jpg"))


def test_wishes_that_cannot_be_met(coco, tmp_path):
    with pytest.raises(DatasetError, match=r"no class 'dogg'; it has dog"):
        fetch_pictures(tmp_path, "val2017", 2, ["dogg"], progress=False)
    with pytest.raises(DatasetError, match=r"only 2 pictures of val2017 show dog; ask for at most so many"):
        fetch_pictures(tmp_path, "val2017", 3, ["dog"], progress=False)
    with pytest.raises(ValueError, match=r"ask for 1 or more"):
        fetch_pictures(tmp_path, "val2017", 0)
    with pytest.raises(ValueError, match=r"no split 'test2017'"):
        fetch_pictures(tmp_path, "test2017", 2)
    with pytest.raises(ValueError, match=r"0 workers fetch nothing"):
        fetch_pictures(tmp_path, "val2017", 2, workers=0)


def test_names_in_the_annotations_cannot_lead_away(coco, tmp_path):
    data = records("val2017", 139, SHOWS)
    for image in data["images"]:
        image["file_name"] = f"../../{image['file_name']}"
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="no name of a picture of COCO"):
        fetch_pictures(tmp_path, "val2017", 2, progress=False)
    assert coco.log == []


def test_pictures_that_were_unpacked_before_are_not_fetched(coco, tmp_path):
    fetch_coco(tmp_path, "annotations", progress=False)
    fetch_coco(tmp_path, "val2017", progress=False)
    (tmp_path / "val2017" / "000000000142.jpg").write_bytes(b"damaged")
    name = fetch_pictures(tmp_path, "val2017", 14, progress=False)
    assert [e["path"] for e in coco.log if e["path"].endswith(".jpg")] == ["/val2017/000000000142.jpg"]
    for path in (tmp_path / name).iterdir():
        assert path.read_bytes() == coco.files[f"/val2017/{path.name}"]


def test_a_bounded_number_of_pictures_at_a_time(coco, tmp_path, monkeypatch):
    fetch_coco(tmp_path, "annotations", progress=False)
    now, most, real = [], [], coco_pictures.fetch

    def counted(*arguments, **options):
        now.append(1)
        most.append(len(now))
        time.sleep(0.05)
        real(*arguments, **options)
        now.pop()

    monkeypatch.setattr(coco_pictures, "fetch", counted)
    fetch_pictures(tmp_path, "val2017", 14, workers=3, progress=False)
    assert max(most) == 3


def workers_left():
    return [thread for thread in threading.enumerate() if thread.name == "pictures" and thread.is_alive()]


@pytest.mark.parametrize("behaviour", ["status 503", "stalls"])
def test_ctrl_c_ends_all_workers(behaviour, coco, tmp_path, monkeypatch):
    """Also those that wait between two tries, at once, and those that hang, when their server moves."""
    fetch_coco(tmp_path, "annotations", progress=False)
    coco.always = {path: behaviour for path in coco.files}
    monkeypatch.setattr(coco_pictures, "LEAVE", 0.4)
    monkeypatch.setattr(fetching, "PATIENCE", Patience(9, 60.0, (60.0, 60.0)))
    threading.Thread(target=ctrl_c, args=(lambda: len(coco.log) > 8,)).start()  # all eight are at work
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch_pictures(tmp_path, "val2017", 14, progress=False)
    assert time.monotonic() - start < 5
    asked = len(coco.log)
    assert all(thread.daemon for thread in workers_left())  # they do not keep the program from ending
    assert bool(workers_left()) == (behaviour == "stalls")
    coco.enough.set()
    until(lambda: not workers_left())
    assert len(coco.log) == asked
    assert not list((tmp_path / "val2017_14").glob("*.jpg"))


def ctrl_c(when):
    until(when)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)


def test_one_failure_ends_all_workers(coco, tmp_path, monkeypatch):
    fetch_coco(tmp_path, "annotations", progress=False)
    coco.always = {path: "silent" for path in coco.files} | {"/val2017/000000000142.jpg": "status 404"}
    monkeypatch.setattr(coco_pictures, "LEAVE", 0.4)
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"000000000142\.jpg: the server answers 404"):
        fetch_pictures(tmp_path, "val2017", 14, workers=14, progress=False)
    assert time.monotonic() - start < 4  # the others would have waited for 5 s, three times


# --- the command ----------------------------------------------------------------------------------------


def test_the_command(coco, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["data", "coco", "coco", "--pictures", "2", "--classes", "dog"]
    assert main(argv) == 0
    assert "2 pictures in coco/val2017_dog_2; use them with --data coco" in capsys.readouterr().out
    assert main(["data", "check", "coco", "--split", "val2017_dog_2", "--size", "64"]) == 0
    assert main(["data", "coco", "coco"]) == 0
    assert len(open_coco("coco", "val2017")) == len(SHOWS)
    assert main(["data", "coco", "coco", "--parts", "train2017", "--mirror", coco.url, "--keep"]) == 0
    assert (tmp_path / "coco" / "train2017.zip").exists()


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit) as left:
        main(["data", "coco", "--help"])
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: None)" not in text
    assert "train2017 (19 GB)" in text
    assert "--pictures 50 --classes dog" in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--mirror", "http://127.0.0.1:9"], "127.0.0.1 cannot be reached ("),
        (["--classes", "dog"], "--classes: an archive holds all its pictures"),
        (["--split", "train2017"], "--split: an archive holds all its pictures, and --parts says which"),
        (["--pictures", "3", "--classes", "cat"], "COCO has no class 'cat'"),
    ],
)
def test_what_goes_wrong_is_one_line(argv, words, coco, tmp_path, capsys):
    assert main(["data", "coco", str(tmp_path), *argv]) == 1
    *remarks, line = capsys.readouterr().err.splitlines()
    assert all("; trying again in " in remark for remark in remarks)
    assert line.startswith("yolox_edu: error: ")
    assert words in line


def test_offline_for_pictures_names_the_archive(coco, tmp_path, capsys):
    fetch_coco(tmp_path, "annotations", progress=False)
    argv = ["data", "coco", str(tmp_path), "--pictures", "3", "--mirror", "http://127.0.0.1:9"]
    assert main(argv) == 1
    said = capsys.readouterr().err
    assert "Or fetch http://127.0.0.1:9/zips/val2017.zip where there is a network" in said
    assert f"data coco {tmp_path} --parts val2017` before you run this again" in said
    assert len(re.findall(r"[.?](?= [A-Z]|$)", said.splitlines()[-1])) == 2  # sentences


# --- official weights -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """The official Nano where the test material is, else a made-up file of the same form."""
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared")
    real = shared / "weights" / "yolox_nano_0.1.1.pth"
    if real.is_file():
        return real
    path = tmp_path_factory.mktemp("official") / "nano.pth"
    weights.save_official(yolox_edu.build("nano", 80).eval(), path)
    return path


@pytest.fixture
def hub(nano, tmp_path, monkeypatch, coco):
    """A server with the release, and an empty cache."""
    monkeypatch.setenv("YOLOX_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(released, "RELEASE", f"{coco.url}/0.1.1rc0")
    coco.files["/0.1.1rc0/yolox_nano.pth"] = nano.read_bytes()
    monkeypatch.setitem(released.SHA256, "nano", hashlib.sha256(nano.read_bytes()).hexdigest())
    return coco


def raw(model):
    with torch.no_grad():
        return model.raw(torch.linspace(0, 1, 3 * 64 * 64).view(1, 3, 64, 64))


def test_official_weights_by_name(hub, nano, tmp_path, monkeypatch):
    hub.plan["/0.1.1rc0/yolox_nano.pth"] = ["cut", "status 503", "cut"]
    monkeypatch.chdir(tmp_path)
    expected = raw(weights.load(nano))
    model = weights.load("yolox-nano")
    assert torch.equal(raw(model), expected)
    assert model.names[0] == "person"
    asked = len(hub.log)
    assert torch.equal(raw(weights.load("yolox_nano")), expected)  # from the cache
    assert len(hub.log) == asked == 4
    assert os.listdir(tmp_path / "cache") == ["yolox_nano.pth"]
    tuned, fresh = weights.load_for_finetune("yolox-nano", 2)
    assert (tuned.num_classes, len(fresh)) == (2, 6)


def test_weights_that_were_changed_or_are_others(hub, nano, tmp_path):
    cached = tmp_path / "cache" / "yolox_nano.pth"
    weights.load("yolox-nano")
    data = bytearray(cached.read_bytes())
    data[len(data) // 2] ^= 1
    cached.write_bytes(bytes(data))
    with pytest.raises(
        WeightsError, match=r"yolox_nano\.pth: not the official yolox-nano, or damaged.* Delete it"
    ):
        weights.load("yolox-nano")
    hub.files["/0.1.1rc0/yolox_tiny.pth"] = nano.read_bytes()
    with pytest.raises(WeightsError, match=r"fetched twice, and both times its sha256 is"):
        weights.load("yolox-tiny")
    hub.always["/0.1.1rc0/yolox_s.pth"] = "page"
    with pytest.raises(WeightsError, match=r"yolox-s: .*a web page"):
        weights.load("yolox-s")
    assert sorted(p.name for p in cached.parent.glob("*.pth")) == ["yolox_nano.pth"]


def test_weights_brought_by_hand(hub, nano, tmp_path, monkeypatch):
    monkeypatch.setattr(released, "RELEASE", "http://127.0.0.1:9")
    cached = tmp_path / "cache" / "yolox_nano.pth"
    with pytest.raises(
        WeightsError, match=rf"cannot be reached .*Fetch \S+/yolox_nano\.pth .* at {cached}, "
    ):
        weights.load("yolox-nano")
    cached.write_bytes(nano.read_bytes())
    assert weights.load("yolox-nano").preset.name == "nano"
    cached.with_name("yolox_s.pth").write_bytes(nano.read_bytes())
    with pytest.raises(WeightsError, match=r"yolox_s\.pth: not the official yolox-s"):
        weights.load("yolox-s")


def test_weights_by_name_on_the_command_line(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["export", "--weights", "yolox-nano", "--format", "safetensors", "--out", "nano.safetensors"]
    assert main(argv) == 0
    assert torch.equal(raw(weights.load("nano.safetensors")), raw(weights.load("yolox-nano")))
    capsys.readouterr()
    monkeypatch.setattr(released, "RELEASE", "http://127.0.0.1:9")
    assert main(["detect", "--weights", "yolox-x"]) == 1
    assert "error: yolox-x: 127.0.0.1 cannot be reached" in capsys.readouterr().err.splitlines()[-1]
    assert main(["detect", "--weights", "yolox-nano", "--legacy"]) == 1
    assert "for the first one give its file" in capsys.readouterr().err
    assert main(["detect", "--weights", "yolox-xl"]) == 1
    official = "yolox-nano, yolox-tiny, yolox-s, yolox-m, yolox-l, yolox-x"
    assert f"nor official ones ({official})" in capsys.readouterr().err


def test_names_and_cache(monkeypatch, tmp_path):
    names = ["yolox-nano", "yolox_s", "YOLOX-X", "s", "yolox-xl", "yolox"]
    assert [released.released_preset(name) for name in names] == ["nano", "s", "x", None, None, None]
    monkeypatch.delenv("YOLOX_EDU_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert released.cache() == tmp_path / ".cache" / "yolox_edu"
    with pytest.raises(WeightsError, match="there are nano, tiny, s, m, l, x"):
        released.released("huge")
    (tmp_path / "file").write_text("I am no folder")
    monkeypatch.setenv("YOLOX_EDU_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        WeightsError, match=r"cannot be written to .* another folder; YOLOX_EDU_CACHE names one"
    ):
        released.released("nano")
    sums = set(released.SHA256.values())
    assert len(sums) == 6
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in sums)
