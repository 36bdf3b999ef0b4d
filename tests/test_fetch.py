"""The downloader against a server that misbehaves: whole and right in the end, or a sentence that helps."""

import errno
import hashlib
import os
import re
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from naughty import serving

from yolox_edu import fetch as fetching
from yolox_edu import partfile, progress, transfer
from yolox_edu.fetch import FetchError, Offline, Patience, Remote, digest, fetch
from yolox_edu.transfer import Session
from yolox_edu.unpack import UnpackError, unpack

DATA = np.random.default_rng(0).integers(0, 256, 600_000, dtype=np.uint8).tobytes()
MD5, SHA256 = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
QUICK = Patience(tries=4, pause=0.001, timeout=(5.0, 5.0))
HASTY = Patience(tries=2, pause=0.001, timeout=(0.3, 0.3))
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site():
    with serving() as site:
        site.files["/f.bin"] = DATA
        yield site


@pytest.fixture
def remote(site):
    return Remote(f"{site.url}/f.bin", len(DATA), MD5, SHA256)


def clean(folder):
    """Nothing but the file is left."""
    return sorted(path.name for path in folder.iterdir()) == ["f.bin"]


# --- it comes, whatever the server does -----------------------------------------------------------------

WELL_IN_THE_END = {
    "behaves": (["well"], [None]),
    "cuts the connection in the middle": (["cut"], [None, "rest"]),
    "cuts three times": (["cut 0.4"] * 3, [None, "rest", "rest", "rest"]),
    "cuts, then ignores Range": (["cut", "ignores_range"], [None, "rest"]),
    "cuts, then sends the wrong piece": (["cut", "wrong_piece"], [None, "rest", None]),
    "cuts, then a piece without a name": (["cut", "nameless_piece"], [None, "rest", None]),
    "cuts, then a piece of another version": (["cut", "other_piece"], [None, "rest", None]),
    "500, then 503": (["status 500", "status 503"], [None, None, None]),
    "429": (["status 429"], [None, None]),
    "cuts, then 502": (["cut", "status 502"], [None, "rest", "rest"]),
    "wrong bytes once": (["spoilt"], [None, None]),
    "too short, without a length": (["short"], [None, None]),
    "closes without an answer": (["cut 0"], [None, None]),
    "is no web server, once": (["gibberish"], [None, None]),
    "chunked": (["chunked"], [None]),
}


@pytest.mark.parametrize("case", WELL_IN_THE_END)
def test_comes_whole_in_the_end(case, site, remote, tmp_path):
    plan, ranges = WELL_IN_THE_END[case]
    site.plan["/f.bin"] = list(plan)
    path = fetch(remote, tmp_path / "new" / "f.bin", patience=QUICK, progress=False)
    assert path.read_bytes() == DATA
    assert clean(path.parent)
    asked = ["rest" if r else None for r in site.asked("/f.bin")]
    if case == "too short, without a length":  # what came is kept only where a sum will tell
        assert asked in (ranges, [None, "rest"])
    else:
        assert asked == ranges
    fetch(remote, path, patience=QUICK)  # it is there: nobody is asked
    assert len(site.log) == len(asked)


def test_a_piece_is_asked_for_only_of_the_same_file(site, remote, tmp_path):
    site.plan["/f.bin"] = ["cut"]
    fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    first, second = site.log
    assert second["if_range"] == f'"{MD5}"'
    assert 0 < second["sent"] < len(DATA) * 0.75
    start = int(second["range"].removeprefix("bytes=").removesuffix("-"))
    assert second["sent"] == len(DATA) - start
    assert first["sent"] - start <= 16384


def test_a_file_that_changes_between_two_tries_is_not_mixed(site, tmp_path):
    """Neither size nor sum is known: only the ETag can tell."""
    site.plan["/f.bin"] = ["cut", "status 404"]
    with pytest.raises(FetchError, match="404"):
        fetch(f"{site.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin.part").stat().st_size > 100_000
    site.files["/f.bin"] = DATA[::-1]
    fetch(f"{site.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA[::-1]
    assert [entry["status"] for entry in site.log] == [200, 404, 200]


def test_a_beginning_of_unknown_origin_is_kept_only_where_a_sum_tells(site, remote, tmp_path):
    (tmp_path / "f.bin.part").write_bytes(DATA[:500_000])
    fetch(remote.url, tmp_path / "f.bin", patience=QUICK, progress=False)
    (tmp_path / "f.bin").unlink()
    (tmp_path / "f.bin.part").write_bytes(DATA[:500_000])
    fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    (tmp_path / "f.bin").unlink()
    (tmp_path / "f.bin.part").write_bytes(b"x" * 500_000)  # of something else: the sum tells, it starts over
    fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA
    assert site.sent("/f.bin") == [600_000, 100_000, 100_000, 600_000]


@pytest.mark.parametrize("note", ["", "{", "[1]", '{"url": 3}'])
def test_a_damaged_note_does_no_harm(note, site, tmp_path):
    (tmp_path / "f.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "f.bin.part.json").write_text(note)
    fetch(f"{site.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA


def test_all_bytes_are_there_but_not_the_name(site, remote, tmp_path):
    """Killed between the last byte and the name: nothing is fetched where the size is known, else 416."""
    (tmp_path / "f.bin.part").write_bytes(DATA)
    fetch(remote, tmp_path / "f.bin", patience=QUICK)
    assert site.log == []
    (tmp_path / "f.bin").rename(tmp_path / "f.bin.part")
    fetch(Remote(remote.url, md5=MD5), tmp_path / "f.bin", patience=QUICK, progress=False)
    assert [entry["status"] for entry in site.log] == [416]
    (tmp_path / "f.bin").unlink()
    (tmp_path / "f.bin.part").write_bytes(DATA + b"too much")
    fetch(Remote(remote.url, md5=MD5), tmp_path / "f.bin", patience=QUICK, progress=False)
    assert [entry["status"] for entry in site.log] == [416, 416, 200]
    assert (tmp_path / "f.bin").read_bytes() == DATA
    assert clean(tmp_path)


def test_progress_makes_patience_new(site, tmp_path, monkeypatch):
    """More cuts than tries, but each try brings something."""
    monkeypatch.setattr(fetching, "STEP", 10_000)
    site.plan["/f.bin"] = ["cut 0.3"] * 6
    fetch(f"{site.url}/f.bin", tmp_path / "f.bin", patience=Patience(2, 0.001), progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA


def test_numbers_in_headers_may_be_none():
    assert [transfer._number(text) for text in ("12", "-5", "\u00b2", "", None)] == [
        12,
        None,
        None,
        None,
        None,
    ]
    assert [transfer._seconds(text) for text in ("7", "\u00b2", "Wed, 21 Oct 2026", None)] == [7, 30, 30, 0]


def test_redirects_are_followed(site, remote, tmp_path):
    site.always["/here"] = f"leads {site.url}/there"
    site.always["/there"] = "leads /f.bin"
    site.plan["/f.bin"] = ["cut"]
    fetch(Remote(f"{site.url}/here", len(DATA), MD5), tmp_path / "f.bin", patience=QUICK, progress=False)
    assert site.asked("/f.bin")[0] is None
    assert site.asked("/f.bin")[1].startswith("bytes=")


def test_in_a_terminal_a_bar_and_what_happened_above_it(site, remote, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    site.plan["/f.bin"] = ["cut", "status 503"]
    fetch(remote, tmp_path / "f.bin", patience=QUICK)
    *_, remark, last = capsys.readouterr().err.rstrip().split("\n")
    assert remark.endswith("f.bin: the server answers 503 Service Unavailable; trying again in 0 s")
    assert "f.bin: 100%" in last
    assert "503" not in last  # what is over is not shown any longer


def test_in_a_log_lines_and_no_bar(site, remote, tmp_path, monkeypatch, capsys):
    site.plan["/f.bin"] = ["cut"]
    fetch(remote, tmp_path / "f.bin", patience=QUICK)
    assert capsys.readouterr().err.count("\n") == 1  # it took less than half a minute
    monkeypatch.setattr(progress, "EVERY", 0)
    (tmp_path / "f.bin").rename(tmp_path / "f.bin.part")
    os.truncate(tmp_path / "f.bin.part", 300_000)
    fetch(remote, tmp_path / "f.bin", patience=QUICK)
    said = capsys.readouterr().err
    assert re.match(r"f\.bin: 316kB of 600kB \(53%\), [\d.]+[kMG]?B/s\n", said)
    assert said.splitlines()[-1].startswith("f.bin: 600kB of 600kB (100%), ")
    assert "\r" not in said
    fetch(f"{site.url}/f.bin", tmp_path / "g.bin", progress=False)
    assert capsys.readouterr().err == ""


def test_a_sum_that_takes_long_is_announced(site, remote, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetching, "LARGE", 1000)
    fetch(remote, tmp_path / "f.bin", progress=False)
    assert capsys.readouterr().err == "yolox_edu: comparing the sum of f.bin.part, 0 GB\n"


def test_what_was_there_does_not_count_for_the_speed(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.Progress("f.bin", "B") as shown:
        shown.begin(10**12, 2 * 10**12)
        time.sleep(0.05)
        shown.add(1_000)
        assert shown._bar.format_dict["initial"] == 10**12
    assert not re.search(r"\d[GT]B/s", capsys.readouterr().err)


# --- it does not come: a sentence -----------------------------------------------------------------------

NEVER = {
    "404": ("status 404", r"/f\.bin: the server answers 404 Not Found; is this address right", 1),
    "403": ("status 403", r"answers 403 .*want a log-in\?", 1),
    "500 always": ("status 500", r"answers 500 .*, 4 times in a row; try again later$", 4),
    "wrong bytes always": ("spoilt", r"fetched twice, and both times its md5 is \w{32} instead of", 2),
    "more than declared": ("long", r"more comes than the 600,000 bytes", 1),
    "another size": ("offers_more", r"1,200,000 bytes are offered, 600,000 expected", 1),
    "a web page with 200": ("page", r"a web page .* came instead", 1),
    "packed": ("encoded", r"an encoded copy came instead", 1),
    "cuts always, ignoring Range": ("ignores_range_and_cuts", r"4 times in a row; what came so far", 4),
    "to another scheme": ("leads ftp://127.0.0.1/f.bin", r"refused: it leads from http to ftp", 1),
    "to a file": ("leads file:///etc/passwd", r"refused: it leads from http to file", 1),
    "in a circle": ("leads /f.bin", r"Exceeded 5 redirects", 6),
    "gibberish": ("gibberish", r"4 times in a row", 4),
}


@pytest.mark.parametrize("case", NEVER)
def test_gives_up_in_words(case, site, remote, tmp_path):
    behaviour, words, requests = NEVER[case]
    site.always["/f.bin"] = behaviour
    with pytest.raises(FetchError, match=words) as caught:
        fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    assert isinstance(caught.value, OSError)
    assert "object at 0x" not in str(caught.value)
    assert len(site.log) == requests
    assert not (tmp_path / "f.bin").exists()


@pytest.mark.parametrize("behaviour", ["silent", "stalls"])
def test_a_server_that_stalls(behaviour, site, remote, tmp_path):
    site.plan["/f.bin"] = [behaviour]
    fetch(remote, tmp_path / "f.bin", patience=HASTY, progress=False)
    assert len(site.log) == 2
    site.always["/f.bin"] = "silent"
    with pytest.raises(FetchError, match="no answer for too long"):
        fetch(remote, tmp_path / "g.bin", patience=HASTY, progress=False)


def test_without_any_length_a_cut_would_not_be_noticed(site, tmp_path):
    site.plan["/f.bin"] = ["short"]
    with pytest.raises(FetchError, match="nobody says how long the file is"):
        fetch(f"{site.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)


def test_offline_says_what_to_do_in_two_sentences(tmp_path):
    remote = Remote("http://127.0.0.1:9/f.bin", 3)
    with pytest.raises(Offline) as caught:
        fetch(remote, tmp_path / "f.bin", patience=HASTY, progress=False)
    text = str(caught.value)
    assert text.startswith("127.0.0.1 cannot be reached (")
    assert "HTTPS_PROXY" in text
    assert f"Fetch {remote.url} where there is a network, put it at {tmp_path / 'f.bin'}" in text
    assert len([s for s in text.replace("? ", ". ").split(". ") if s]) == 2
    (tmp_path / "f.bin").write_bytes(b"abc")
    assert fetch(remote, tmp_path / "f.bin").read_bytes() == b"abc"  # it was put there


def test_out_of_reach_is_whom_a_redirect_named(site, remote, tmp_path):
    site.always["/f.bin"] = "leads http://localhost:9/f.bin"
    with pytest.raises(Offline, match=r"^localhost cannot be reached \(Connection refused\)"):
        fetch(remote, tmp_path / "f.bin", patience=HASTY, progress=False)
    with pytest.raises(Offline, match=r"^coco\.invalid cannot be reached \(its name cannot be looked up\)"):
        fetch("http://coco.invalid/f.bin", tmp_path / "f.bin", patience=HASTY, progress=False)


def test_another_file_in_its_place_is_left_alone(remote, tmp_path):
    (tmp_path / "f.bin").write_bytes(b"mine")
    with pytest.raises(FetchError, match=r"it has 4 bytes instead of 600,000\. Move it away"):
        fetch(remote, tmp_path / "f.bin")
    (tmp_path / "f.bin").write_bytes(DATA[::-1])
    with pytest.raises(FetchError, match=r"its md5 is \w+ instead of"):
        fetch(remote, tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == DATA[::-1]
    (tmp_path / "folder").mkdir()
    with pytest.raises(FetchError, match=r"folder: it is no file\. Move it away"):
        fetch(remote.url, tmp_path / "folder")


def test_a_check_of_ones_own(site, remote, tmp_path):
    with pytest.raises(FetchError, match="fetched twice, and both times it is not nice"):
        fetch(remote, tmp_path / "f.bin", check=lambda _: "it is not nice", patience=QUICK, progress=False)
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "f.bin").exists()


# --- the disk -------------------------------------------------------------------------------------------


def full(monkeypatch, free):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(partfile.shutil, "disk_usage", lambda _: usage(10**12, 10**12 - free, free))


def test_a_full_disk_is_seen_before_anything_comes(site, remote, tmp_path, monkeypatch):
    full(monkeypatch, partfile.SPARE + len(DATA) - 1)
    with pytest.raises(FetchError, match=r"0\.07 GB are needed, but 0\.07 GB are free.*Make room"):
        fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    (tmp_path / "f.bin.part").write_bytes(DATA[:1000])  # only the rest needs room
    fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA


def test_a_disk_that_fills_up_meanwhile(site, remote, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "f.bin.part").symlink_to("/dev/full")
    with pytest.raises(FetchError, match="the disk is full"):
        fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)


def test_a_disk_that_takes_no_large_files(site, remote, tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        with pytest.raises(FetchError, match=r"f\.bin\.part: this disk takes no file so large"):
            fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
        path = archive(tmp_path / "z.zip", [("a/1.jpg", bytes(400_000))])
        with pytest.raises(FetchError, match=r"a/1\.jpg: this disk takes no file so large"):
            unpack(path, tmp_path, r"a/\d\.jpg", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fetch(remote, tmp_path / "f.bin", patience=QUICK, progress=False)
    assert site.asked("/f.bin") == [None, "bytes=300000-"]
    assert unpack(path, tmp_path, r"a/\d\.jpg", progress=False) == 1


def test_a_folder_that_cannot_be_written_to(remote, tmp_path):
    (tmp_path / "file").write_text("I am no folder")
    for name in ("file/f.bin", "file/new/f.bin"):
        with pytest.raises(FetchError, match=r"cannot be written to \(.*\); give another folder"):
            fetch(remote, tmp_path / name, progress=False)
    for code in (errno.EACCES, errno.EROFS):
        with pytest.raises(FetchError, match="cannot be written to"), partfile.on_disk(tmp_path / "f.bin"):
            raise OSError(code, os.strerror(code))


# --- killed, two at once, proxies, certificates ---------------------------------------------------------

CHILD = """
import sys, types
package = sys.modules["yolox_edu"] = types.ModuleType("yolox_edu")  # without torch, which takes seconds
package.__path__ = ["yolox_edu"]
from yolox_edu.fetch import Remote, fetch
url, path, md5 = sys.argv[1:]
fetch(Remote(url, None, md5), path, progress=False)
print("done")
"""


def child(site, path):
    run = [sys.executable, "-c", CHILD, f"{site.url}/f.bin", str(path), MD5]
    return subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ.copy()
    )


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_in_the_middle_and_resumed(site, tmp_path):
    site.plan["/f.bin"] = ["stalls"]
    first, part = child(site, tmp_path / "f.bin"), tmp_path / "f.bin.part"
    until(lambda: part.exists() and part.stat().st_size > 100_000)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    had = part.stat().st_size
    assert not (tmp_path / "f.bin").exists()
    fetch(Remote(f"{site.url}/f.bin", None, MD5), tmp_path / "f.bin", patience=QUICK, progress=False)
    assert (tmp_path / "f.bin").read_bytes() == DATA
    assert site.sent("/f.bin")[1] == len(DATA) - had < len(DATA)
    assert clean(tmp_path)


def test_two_processes_fetch_it_once(site, tmp_path, capsys):
    site.plan["/f.bin"] = ["drips 0.05"]
    first = child(site, tmp_path / "f.bin")
    until(lambda: site.log)
    fetch(Remote(f"{site.url}/f.bin", None, MD5), tmp_path / "f.bin", progress=False)
    assert "another process is fetching" in capsys.readouterr().err
    out, err = first.communicate(timeout=60)
    assert out == "done\n", err
    assert len(site.log) == 1
    assert (tmp_path / "f.bin").read_bytes() == DATA
    assert clean(tmp_path)


def test_a_proxy_of_the_environment(site, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", site.url)
    monkeypatch.setenv("http_proxy", site.url)
    fetch("http://coco.invalid/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
    assert site.log[0]["line"] == "http://coco.invalid/f.bin"
    monkeypatch.setenv("NO_PROXY", "coco.invalid")
    monkeypatch.setenv("no_proxy", "coco.invalid")
    with pytest.raises(Offline):
        fetch("http://coco.invalid/f.bin", tmp_path / "g.bin", patience=HASTY, progress=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    made = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=test"
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *made.split(), *name], cwd=folder, check=True, capture_output=True)
    return folder


def test_certificates_are_verified(certificate, tmp_path, monkeypatch, site):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with serving(context) as safe:
        safe.files["/f.bin"] = DATA
        with pytest.raises(FetchError, match="refused: the server's certificate is not valid here"):
            fetch(f"{safe.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
        assert safe.log == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        fetch(f"{safe.url}/f.bin", tmp_path / "f.bin", patience=QUICK, progress=False)
        safe.plan["/f.bin"] = ["garbles"]  # no fault of the certificate: try again
        fetch(Remote(f"{safe.url}/f.bin", None, MD5), tmp_path / "h.bin", patience=QUICK, progress=False)
        assert safe.log[-1]["range"].startswith("bytes=")
        with pytest.raises(
            FetchError, match=r"the encrypted connection broke \(wrong version number\), 4 times"
        ):
            fetch(site.url.replace("http", "https"), tmp_path / "i.bin", patience=QUICK, progress=False)
        safe.always["/g.bin"] = f"leads {site.url}/f.bin"
        with pytest.raises(FetchError, match="refused: it leads from https to http "):
            fetch(f"{safe.url}/g.bin", tmp_path / "g.bin", patience=QUICK, progress=False)
        assert site.log == []


def test_verification_is_switched_off_nowhere():
    for path in (ROOT / "yolox_edu").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "verify=False" not in text
        assert "CERT_NONE" not in text
    assert Session().verify is True


def test_digest_knows_the_sums(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    assert (digest(tmp_path / "a", "md5"), digest(tmp_path / "a")) == (MD5, SHA256)


# --- archives -------------------------------------------------------------------------------------------


def archive(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


def encrypted(path):
    raw = bytearray(archive(path, [("a/1.jpg", b"one")]).read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)


def wrong_crc(path):
    raw = archive(path, [("a/1.jpg", b"one"), ("a/2.jpg", b"two")], zipfile.ZIP_STORED).read_bytes()
    path.write_bytes(raw.replace(b"two", b"twO"))


def liar(path):
    """Says that a megabyte is ten bytes."""
    raw = archive(path, [("a/1.jpg", bytes(1_000_000))]).read_bytes()
    path.write_bytes(raw.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))


def cut_off(path):
    path.write_bytes(archive(path, [("a/1.jpg", DATA)]).read_bytes()[:-40])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        ([("../a/1.jpg", b"x")], "leads out of the folder"),
        ([("a/../../1.jpg", b"x")], "leads out of the folder"),
        ([("a//1.jpg", b"x")], "leads out of the folder"),
        ([("/a/1.jpg", b"x")], "is no relative path"),
        ([("C:/a/1.jpg", b"x")], "is no relative path"),
        ([("a\\..\\..\\1.jpg", b"x")], "is no relative path"),
        ([(link("a"), b"/tmp"), ("a/1.jpg", b"x")], "is a link or a device"),
        ([("a/1.jpg", b"x"), ("a/1.jpg", b"y")], "occurs twice"),
        ([("a/1.jpg", b"x"), ("A/1.JPG", b"y")], "occurs twice"),
        ([("a/1.jpg", bytes(30_000_000))], "looks like a bomb"),
        (encrypted, "is encrypted"),
        (wrong_crc, r"damaged.*Bad CRC-32"),
        (liar, "damaged"),
        (cut_off, "damaged, or no zip"),
        (lambda path: path.write_bytes(b"<html>"), "damaged, or no zip"),
    ],
)
def test_attacks_are_refused_and_nothing_is_written(make, words, tmp_path):
    path, folder = tmp_path / "z.zip", tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    _ = make(path) if callable(make) else archive(path, make)
    with pytest.raises(UnpackError, match=words) as caught:
        unpack(path, folder, r"a/\d\.jpg", progress=False)
    assert "z.zip" in str(caught.value)
    assert list(folder.iterdir()) == []
    assert list(tmp_path.rglob("*.jpg")) == []


def test_a_bomb_against_what_was_declared(tmp_path):
    path = archive(tmp_path / "z.zip", [("a/1.jpg", bytes(2_000))])
    with pytest.raises(UnpackError, match="2,000, where at most 1,999 were expected"):
        unpack(path, tmp_path, r"a/\d\.jpg", most=1_999, progress=False)
    assert unpack(path, tmp_path, r"a/\d\.jpg", most=2_000, progress=False) == 1


def test_only_what_we_came_for(tmp_path):
    """Archives inside archives, scripts and other folders stay where they are."""
    inner = archive(tmp_path / "inner.zip", [("a/9.jpg", b"nine")]).read_bytes()
    names = ["a/1.jpg", "a/inner.zip", "a/run.sh", "b/1.jpg", "a/deep/2.jpg"]
    path = archive(tmp_path / "z.zip", [("a/", b""), *((n, inner) for n in names)])
    assert unpack(path, tmp_path / "out", r"a/\d\.jpg", progress=False) == 1
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["a", "1.jpg"]


def test_unpacking_needs_room(tmp_path, monkeypatch):
    path = archive(tmp_path / "z.zip", [("a/1.jpg", DATA)])
    full(monkeypatch, partfile.SPARE + len(DATA) - 1)
    with pytest.raises(FetchError, match="are needed"):
        unpack(path, tmp_path, r"a/\d\.jpg", progress=False)
    assert not (tmp_path / "a").exists()


def test_unpacking_goes_on_where_it_stopped(tmp_path, monkeypatch):
    path = archive(tmp_path / "z.zip", [(f"a/{i}.jpg", DATA[i : i + 1000]) for i in range(6)])
    opened, real = [], zipfile.ZipFile.open

    def spy(self, member, *rest, **more):
        opened.append(getattr(member, "filename", member))
        if len(opened) == 4:
            raise KeyboardInterrupt
        return real(self, member, *rest, **more)

    monkeypatch.setattr(zipfile.ZipFile, "open", spy)
    with pytest.raises(KeyboardInterrupt):
        unpack(path, tmp_path, r"a/\d\.jpg", progress=False)
    assert not (tmp_path / "a").exists()  # all or nothing
    assert unpack(path, tmp_path, r"a/\d\.jpg", progress=False) == 6
    assert opened == [f"a/{i}.jpg" for i in (0, 1, 2, 3, 3, 4, 5)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "z.zip"]
    (tmp_path / "a" / "2.jpg").write_bytes(b"cut")  # what has the wrong size comes anew, the rest stays
    (tmp_path / "a" / "mine.txt").write_text("mine")
    assert unpack(path, tmp_path, r"a/\d\.jpg", progress=False) == 6
    assert opened[7:] == ["a/2.jpg"]
    assert (tmp_path / "a" / "2.jpg").read_bytes() == DATA[2:1002]
    assert (tmp_path / "a" / "mine.txt").read_text() == "mine"
