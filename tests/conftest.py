"""What every test shares: checked shapes, one thread, and the way to the real test material."""

import os
from pathlib import Path

import jaxtyping
import pytest

# Every annotation of the package (`Float[Tensor, "n c h w"]`) is checked at each call, so this must come
# before the first `import yolox_edu`.
jaxtyping.install_import_hook("yolox_edu", "beartype.beartype")

import torch  # noqa: E402  (after the hook on purpose)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real pictures and official weights (not in git): $YOLOX_EDU_SHARED, else ../shared beside the clone."""
    path = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared").resolve()
    if not path.is_dir():
        pytest.skip(f"no test material: {path} is absent (set YOLOX_EDU_SHARED)")
    return path


@pytest.fixture(autouse=True)
def _same_start():
    """Each test starts from the same random state, so that its order in the run changes nothing."""
    torch.manual_seed(0)


@pytest.fixture
def one_thread():
    """On a busy machine two threads that wait for each other take ten times as long as one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
