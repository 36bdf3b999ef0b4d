"""The look of a chapter, and `source`, which shows the package's code. Chapters 00 to 23."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

import matplotlib as mpl
from matplotlib_inline.backend_inline import set_matplotlib_formats

from yolox_edu.viz.svg import CYCLE, PALETTE


def style(pictures: str = "png") -> None:
    """Set matplotlib and IPython up as every chapter has them. `pictures`: "png", or "jpeg" for photographs.

    One font size, the colours of `PALETTE` in turn, a white card that reads in dark mode too; errors take
    one line.
    """
    mpl.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 10,
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "axes.prop_cycle": mpl.cycler(color=[PALETTE[name] for name in CYCLE]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.5,
            "image.cmap": "cividis",
            "svg.hashsalt": "yolox-edu",
        }
    )
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    shell.InteractiveTB.set_mode(mode="Minimal")
    if hasattr(shell, "kernel"):
        shell.run_line_magic("matplotlib", "inline")
        quality = {"pil_kwargs": {"quality": 62}} if pictures == "jpeg" else {}
        set_matplotlib_formats(pictures, bbox_inches=None, **quality)


def source(thing: Callable[..., object] | type) -> None:
    """Print a function or class as it stands in the package, so that no chapter holds a second copy."""
    print(inspect.getsource(inspect.unwrap(thing)).rstrip())
