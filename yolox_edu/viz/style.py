"""The look of a chapter, and `source`, which shows the package's code. Chapters 00 to 23."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable

import matplotlib as mpl
from IPython import get_ipython
from IPython.display import display
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
    shell = get_ipython()
    if shell is None:
        return
    shell.InteractiveTB.set_mode(mode="Minimal")
    if hasattr(shell, "kernel"):
        shell.run_line_magic("matplotlib", "inline")
        quality = {"pil_kwargs": {"quality": 62}} if pictures == "jpeg" else {}
        set_matplotlib_formats(pictures, bbox_inches=None, **quality)


def source(thing: Callable[..., object] | type) -> None:
    """Show a function or class as it stands in the package, so that no chapter holds a second copy.

    As Markdown, which every notebook colours like code of its own; in a plain Python session it is printed.
    """
    thing = inspect.unwrap(thing)
    code = textwrap.dedent(inspect.getsource(thing)).rstrip()  # a method stands at the left, too
    if get_ipython() is None:
        print(code)
        return
    file = thing.__module__.replace(".", "/") + ".py"
    text = f"`{file}`\n\n```python\n{code}\n```"
    display({"text/markdown": text, "text/plain": f"{file}: {thing.__qualname__}"}, raw=True)
