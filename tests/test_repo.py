"""The repository keeps its own promises: needs, sizes, docstrings, links, a wheel that works anywhere."""

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import landing
import landing_road
import pytest
import yaml
from build_site import toc_files
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import yolox_edu

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "yolox_edu"
MODULES = sorted(PACKAGE.rglob("*.py"))
HARD = {"torch", "torchvision", "numpy", "pillow", "jaxtyping", "safetensors"}
# Big or optional: never loaded by `import yolox_edu`, and the only things that a function may import.
OPTIONAL = {"cv2", "pycocotools", "matplotlib", "ipywidgets", "tqdm", "tensorboard"}
OPTIONAL |= {"torch.utils.tensorboard", "requests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def text(path):
    """A file of the repository, by its path from the top."""
    return (ROOT / path).read_text(encoding="utf-8")


def tracked():
    """The files that git knows; skips outside a clone."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        pytest.skip("not a git clone")
    return [f for f in done.stdout.splitlines() if (ROOT / f).is_file()]


# --- needs ------------------------------------------------------------------------------------------------


def requirements(lines):
    """{canonical name: version range} of the lines of a requirements file."""
    bare = (line.partition("#")[0].strip() for line in lines)
    parsed = [Requirement(line) for line in bare if line]
    return {canonicalize_name(r.name): str(r.specifier) for r in parsed}


def test_the_package_needs_exactly_the_six():
    assert set(requirements(PROJECT["dependencies"])) == HARD


def test_requirements_and_pyproject_agree():
    extras = PROJECT["optional-dependencies"]
    parts = PROJECT["dependencies"] + extras["train"] + extras["book"]
    wanted = {k: v for k, v in requirements(parts).items() if k != "yolox-edu"}
    assert requirements(text("requirements.txt").splitlines()) == wanted


def test_every_line_of_requirements_says_why_and_leaves_a_range():
    for line in text("requirements.txt").splitlines():
        if line and not line.startswith("#"):
            need, _, why = line.partition("#")
            assert len(why.strip()) >= 8, line
            assert "==" not in need or why.strip().startswith("exact:"), line


def test_the_tested_set_lies_in_the_ranges():
    pins = requirements(text("constraints.txt").splitlines())
    assert all(v.startswith("==") and "," not in v for v in pins.values())
    extras = PROJECT["optional-dependencies"]
    for line in PROJECT["dependencies"] + extras["train"] + extras["book"] + extras["test"]:
        need = Requirement(line)
        if need.name != "yolox-edu":
            assert need.specifier.contains(pins[canonicalize_name(need.name)][2:]), line


def test_import_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time, numpy, torch, torchvision, jaxtyping, safetensors.torch, PIL.Image\n"
        "before, began = set(sys.modules), time.process_time()\n"  # torch itself loads tqdm
        "import yolox_edu\n"
        f"print(time.process_time() - began, sorted({OPTIONAL!r} & (set(sys.modules) - before)), sep='\\n')"
    )
    took, heavy = _python("-c", code).splitlines()
    assert heavy == "[]"
    assert float(took) < 1.0


def _python(*args, cwd=ROOT, **env):
    """Run this Python; its stdout. Fails with everything that was printed."""
    done = subprocess.run(
        [sys.executable, *args], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, f"{args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# --- code -------------------------------------------------------------------------------------------------


def functions(tree):
    """Every function and method of a module with its full name; functions inside functions are left out."""
    for node in [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]:
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                yield f"{owner}{child.name}", child


def command_line(path):
    """Whether a module belongs to the command line, where each sub-command loads what it needs."""
    return Path(path).name.startswith(("__main__", "cli"))


def trees():
    """(path from the top, syntax tree) of each module."""
    return [(p.relative_to(ROOT).as_posix(), ast.parse(p.read_text(encoding="utf-8"))) for p in MODULES]


def test_files_are_short():
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in MODULES}
    assert {n: k for n, k in lengths.items() if k > 400} == {}
    assert statistics.median(lengths.values()) <= 180


def test_functions_are_short():
    sizes = [f.end_lineno - f.lineno + 1 for _, tree in trees() for _, f in functions(tree)]
    assert sum(size <= 30 for size in sizes) / len(sizes) >= 0.9


def test_public_functions_are_typed_and_documented():
    found = []
    for path, tree in trees():
        for name, f in functions(tree):
            if name.rpartition(".")[2].startswith("_"):
                continue
            arguments = f.args.posonlyargs + f.args.args + f.args.kwonlyargs
            bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            if bare or f.returns is None:
                found.append(f"{path} {name}: no type on {', '.join(bare) or 'what it returns'}")
            own = not name.endswith((".forward", ".extra_repr"))  # torch's hooks; the class says what it does
            if own and not ast.get_docstring(f):
                found.append(f"{path} {name}: no docstring")
    assert not found, "\n".join(found)


def test_every_module_names_its_chapter():
    missing = []
    for path, tree in trees():
        if path.endswith("__init__.py") or command_line(path):
            continue
        if not re.search(r"[Cc]hapters? \d\d", ast.get_docstring(tree) or ""):
            missing.append(path)
    assert not missing, "\n".join(missing)


def imported(node):
    """The full names that an import statement brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def test_imports_in_functions_only_keep_heavy_things_out():
    found = []
    for path, tree in trees():
        if command_line(path):
            continue
        for name, f in functions(tree):
            for node in ast.walk(f):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    found += [f"{path} {name}: {m}" for m in imported(node) if not _heavy(m)]
    assert not found, "\n".join(found)


def _heavy(module):
    """Whether a module is optional, or one of ours that loads an optional one at its top."""
    if any(module == o or module.startswith(f"{o}.") for o in OPTIONAL):
        return True
    parts = module.split(".")
    for end in (len(parts), len(parts) - 1):
        path = ROOT.joinpath(*parts[:end]).with_suffix(".py")
        if parts[0] == "yolox_edu" and path.is_file():
            top = ast.parse(path.read_text(encoding="utf-8")).body
            names = [m for n in top if isinstance(n, ast.Import | ast.ImportFrom) for m in imported(n)]
            return any(_heavy(m) for m in names if m.split(".")[0] != "__future__")
    return False


def test_the_model_imports_neither_data_nor_training_nor_drawing():
    for name in ("blocks", "backbone", "neck", "head", "boxes", "simota", "losses", "model"):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        imports = [
            m for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for m in imported(n)
        ]
        ours = {m.split(".")[1] for m in imports if m.startswith("yolox_edu.")}
        assert ours <= {"blocks", "backbone", "neck", "head", "boxes", "simota", "losses"}, name


# --- the book's set-up ------------------------------------------------------------------------------------


def test_buttons_lead_to_files_in_git():
    assert CONFIG["repository"]["path_to_book"] == ""
    assert CONFIG["repository"]["url"] == PROJECT["urls"]["Repository"]
    files = tracked()
    for page in toc_files():
        assert f"{page}.ipynb" in files or f"{page}.md" in files, page


def test_built_buttons_lead_to_files_in_git():
    html, files = ROOT / "_build" / "html", tracked()
    if not html.is_dir():
        pytest.skip("no site built here yet: make book")
    base = f"{CONFIG['repository']['url'].removeprefix('https://github.com/')}/blob/{CONFIG['repository']['branch']}"
    pages = [p for p in toc_files() if (ROOT / f"{p}.ipynb").is_file() and (html / f"{p}.html").is_file()]
    for page in pages:
        found = re.findall(
            r'href="https://colab\.research\.google\.com/github/([^"]+)"', text(html / f"{page}.html")
        )
        assert set(found) == {f"{base}/{page}.ipynb"}
        assert f"{page}.ipynb" in files


def test_the_first_page_is_up_to_date():
    assert landing.stale() == []


def test_the_map_marks_what_is_written():
    items = re.findall(r'<li class="(\w+)"><b>(\d\d)</b><span>(.*?)</span></li>', landing_road.road())
    assert [number for _, number, _ in items] == [f"{i:02d}" for i in range(24)]
    pages = landing_road.written()
    for state, number, shown in items:
        assert state == ("written" if number in pages else "planned"), number
        assert ("<a href=" in shown) == (number in pages), number
        if number in pages:
            assert f'<a href="{pages[number]}.html">' in shown


def test_every_chapter_stands_in_its_part():
    parts = yaml.safe_load(text("_toc.yml"))["parts"]
    captions = [part["caption"] for part in parts]
    assert captions == [c for c in [*landing_road.PARTS, "Appendices"] if c in captions]
    numbers = []
    for part in parts:
        names = [Path(chapter["file"]).name for chapter in part["chapters"]]
        inside = [name[:2] for name in names if name[:2].isdecimal()]  # not the error clinic
        if part["caption"] in landing_road.PARTS:
            assert set(inside) <= set(landing_road.PARTS[part["caption"]]), part["caption"]
            numbers += inside
    assert numbers == sorted(numbers)


def test_the_picture_of_the_network_tells_the_models_numbers():
    drawn = text("book/_landing/network.html")
    model = yolox_edu.build("l")
    total = sum(p.numel() for p in model.parameters())
    assert f"{total:,} parameters" in drawn
    assert [int(n) for n in re.findall(r"--order:(\d+)", drawn)] == [*range(19), *range(19)]
    assert f"{sum(p.numel() for p in model.backbone.dark5.parameters()):,}" in drawn


def test_the_site_is_built_as_agreed():
    assert {".venv*", ".pytest_cache", "tests", "data", "benchmarks", "_build"} <= set(
        CONFIG["exclude_patterns"]
    )
    config = CONFIG["sphinx"]["config"]
    for script in [config["mathjax_path"], *config["nb_ipywidgets_js"]]:
        assert (ROOT / "book" / "_static" / script).is_file()
    pins = requirements(text("constraints.txt").splitlines())
    assert pins["jupyter-book"] == "==1.0.4.post1"
    assert pins["sphinx-book-theme"] == "==1.1.4"
    assert pins["sphinx"].startswith("==7.4")


def test_every_citation_has_its_entry():
    keys = set(re.findall(r"^@\w+\{([^,]+),", text("book/references.bib"), re.M))
    cited = set()
    for path in [*ROOT.glob("book/*.md"), *ROOT.glob("book/*.ipynb")]:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text(encoding="utf-8")):
            cited |= {key.strip() for key in group.split(",")}
    assert cited <= keys


# --- the files at the top ---------------------------------------------------------------------------------


def test_citation_file():
    cff = yaml.safe_load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "license", "version"} <= set(cff)
    assert cff["version"] == PROJECT["version"]
    assert cff["repository-code"] == PROJECT["urls"]["Repository"]
    assert cff["license"] == PROJECT["license"] == "Apache-2.0"


def test_version_is_said_once_everywhere_the_same():
    assert f'__version__ = "{PROJECT["version"]}"' in text("yolox_edu/__init__.py")


def test_licences():
    assert "Apache License" in text("LICENSE")[:200]
    assert "END OF TERMS AND CONDITIONS" in text("LICENSE")
    assert "Attribution 4.0 International" in text("LICENSE-text")


def test_make_help_and_readme_name_every_target():
    makefile = text("Makefile")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()) - {"help", "lint", "setup"}
    for target in targets:
        assert re.search(rf'echo "make {target} ', makefile), target
        assert f"make {target}" in text("README.md") or target == "clean", target


def test_relative_links_lead_somewhere():
    broken = []
    for name in [f for f in tracked() if f.endswith(".md")]:
        prose = re.sub(r"```.*?```|`[^`]*`", "", text(name), flags=re.S)
        for link in re.findall(r"\]\(([^)#\s]+)", prose) + re.findall(r'src="([^"]+)"', prose):
            if re.match(r"[a-z]+:", link):
                continue
            path = ROOT / name
            there = [path.parent / link, *(path.parent / f"{link}{s}" for s in (".ipynb", ".md"))]
            if not any(p.exists() for p in there):
                broken.append(f"{name}: {link}")
    assert not broken, "\n".join(broken)


def test_nothing_large_and_nothing_private_is_in_git():
    private = re.compile(r"(?<![\w.:/~-])/(?:work|root|home/\w+|Users/\w+)/\w")
    large, paths = [], []
    readable = {".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".cff", ".css", ".js", ".html", ".svg", ""}
    for name in tracked():
        path = ROOT / name
        vendored = name.startswith("book/_static/vendor/")
        if path.stat().st_size > (4_000_000 if vendored else 3_000_000):
            large.append(name)
        if not vendored and path.suffix in readable:
            paths += [f"{name}: {m.group()}…" for m in private.finditer(path.read_text(encoding="utf-8"))]
    assert not large, "\n".join(large)
    assert not paths, "\n".join(paths)


# --- set-up and wheel -------------------------------------------------------------------------------------


def test_a_second_make_does_no_set_up(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("no make here")
    inputs = ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml")
    for name in inputs:
        shutil.copyfile(ROOT / name, tmp_path / name)
    first = _dry_run(tmp_path)
    assert "-m venv" in first
    assert "-r requirements.txt -c constraints.txt" in first
    (tmp_path / ".venv").mkdir()
    for i, name in enumerate([*inputs, ".venv/installed", ".venv/installed-for-tests"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 + i, 1e9 + i))
    assert "pip" not in _dry_run(tmp_path)
    os.utime(tmp_path / "requirements.txt")
    assert "-r requirements.txt" in _dry_run(tmp_path)


def _dry_run(folder):
    """What `make test book train` would do in a folder."""
    command = ["make", "-n", "test", "book", "train"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A clean directory into which only our wheel was installed; needs no network."""
    if not (PACKAGE / "__main__.py").is_file():
        pytest.skip("no command line yet")
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    _python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("*.whl")
    _python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


@pytest.mark.slow
def test_the_wheel_carries_package_weights_and_licence(installed):
    assert (installed / "yolox_edu" / "__main__.py").is_file()
    shipped = {p.name for p in (installed / "yolox_edu" / "_weights").glob("*.safetensors")}
    assert shipped == {p.name for p in (ROOT / "data" / "weights").glob("*.safetensors")}
    assert list(installed.glob("yolox_edu-*.dist-info/licenses/LICENSE"))
    scripts = {p.name for p in (PACKAGE / "viz").glob("*.[jc]s*")}
    assert {p.name for p in (installed / "yolox_edu" / "viz").glob("*.[jc]s*")} == scripts
    assert not (installed / "tests").exists()


# The command line on a machine that has nothing but the six hard needs, and no network.
ONLY_HARD_NEEDS = f"""
import runpy, socket, sys
sys.modules.update(dict.fromkeys({sorted(OPTIONAL | {"onnxruntime", "yolox", "scipy"})!r}))
socket.socket.connect = None
runpy.run_module("yolox_edu", run_name="__main__")
"""


def _seconds_of_children():
    """Processor time of the programs started here so far: a wall clock depends on the neighbours."""
    return os.times().children_user + os.times().children_system


@pytest.mark.slow
def test_the_wheel_detects_outside_the_repository(installed, tmp_path):
    if not list((installed / "yolox_edu" / "_weights").glob("*.safetensors")):
        pytest.skip("no weights of our own yet")
    before = _seconds_of_children()
    env = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": ""}
    where = _python("-c", "import yolox_edu; print(yolox_edu.__file__)", cwd=tmp_path, **env).strip()
    assert Path(where).is_relative_to(installed)
    assert "usage" in _python("-m", "yolox_edu", "detect", "--help", cwd=tmp_path, **env).lower()
    _python("-c", ONLY_HARD_NEEDS, "detect", cwd=tmp_path, **env)
    assert _seconds_of_children() - before < 60
    assert [p for p in tmp_path.rglob("*") if p.suffix in (".png", ".jpg")]
