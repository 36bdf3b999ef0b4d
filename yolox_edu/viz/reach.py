"""How far a cell sees: receptive fields, carried along from operation to operation. Chapters 03 to 08.

Only one axis is followed, that of w: the network's kernels are square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reach:
    """Along one axis, cell j of a map sees the input's pixels first[r] + step·m to last[r] + step·m.

    Here m, r = divmod(j, phases). There is one phase, and `step` is the stride, until something is
    upsampled: then two neighbours may come from the same coarse cell, and the pattern repeats with a longer
    period. The input itself is Reach(1, (0,), (0,)).
    """

    step: int
    first: tuple[int, ...]
    last: tuple[int, ...]

    @property
    def phases(self) -> int:
        """After how many cells the pattern repeats."""
        return len(self.first)

    @property
    def field(self) -> int:
        """The side of the receptive field in pixels."""
        return max(last - first for first, last in zip(self.first, self.last)) + 1

    def sees(self, j: int) -> tuple[int, int]:
        """First and last pixel that cell j sees."""
        m, r = divmod(j, self.phases)
        return self.first[r] + self.step * m, self.last[r] + self.step * m

    def window(self, stride: int, start: int, end: int) -> Reach:
        """The reach of a map whose cell i looks at this one's cells stride·i + start to stride·i + end."""
        phases = self.phases // math.gcd(self.phases, stride)
        step = self.step * stride * phases // self.phases
        first = tuple(self.sees(stride * i + start)[0] for i in range(phases))
        last = tuple(self.sees(stride * i + end)[1] for i in range(phases))
        return Reach(step, first, last)

    def repeat(self, times: int) -> Reach:
        """The reach after each cell was repeated, as in nearest upsampling."""
        return Reach(
            self.step,
            tuple(x for x in self.first for _ in range(times)),
            tuple(x for x in self.last for _ in range(times)),
        )

    def join(self, other: Reach) -> Reach:
        """The reach of a map made from two. Where the strides differ (rows of several levels): the wider."""
        if self.step * other.phases != other.step * self.phases:
            return max(self, other, key=lambda reach: reach.field)
        phases = math.lcm(self.phases, other.phases)
        pairs = [(self.sees(j), other.sees(j)) for j in range(phases)]
        step = self.step * phases // self.phases
        return Reach(
            step, tuple(min(a, b) for (a, _), (b, _) in pairs), tuple(max(a, b) for (_, a), (_, b) in pairs)
        )


# Where the operations that look at more than one cell have their arguments.
WINDOWS = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding"),
    "interpolate": ("input", "size", "scale_factor", "mode"),
    "pixel_unshuffle": ("input", "downscale_factor"),
    "pad": ("input", "pad"),
    "__getitem__": ("input", "index"),
}
LIKE_THESE = ("conv", "pool", "fold", "shuffle", "upsample", "grid_sample", "roll")


def after(operation: str, reach: Reach, args: Any, kwargs: dict[str, Any]) -> Reach:
    """The reach of an operation's result. Whatever is not named above works cell by cell. Chapter 07."""
    if operation not in WINDOWS:
        if any(word in operation for word in LIKE_THESE):
            raise NotImplementedError(f"trace does not know what {operation} does to the receptive field")
        return reach
    given = {**dict(zip(WINDOWS[operation], args)), **kwargs}
    if operation == "__getitem__":
        at = _columns(given["index"], given["input"].ndim)
        return reach.window(at.step or 1, at.start or 0, at.start or 0)
    if operation == "interpolate":
        if given.get("mode", "nearest") != "nearest":
            raise NotImplementedError(f"trace knows nearest upsampling only, not {given['mode']}")
        times = _last(given.get("scale_factor")) or _last(given["size"]) / given["input"].shape[-1]
        return reach.repeat(round(times))
    if operation == "pixel_unshuffle":
        return reach.window(given["downscale_factor"], 0, given["downscale_factor"] - 1)
    if operation == "pad":
        return reach.window(1, -given["pad"][0], -given["pad"][0])
    weight = given.get("weight")
    kernel = _last(given["kernel_size"]) if weight is None else weight.shape[-1]
    stride = _last(given.get("stride")) or (kernel if weight is None else 1)
    padding, dilation = _last(given.get("padding", 0)), _last(given.get("dilation", 1))
    padding = {"same": (kernel - 1) * dilation // 2, "valid": 0}.get(padding, padding)
    return reach.window(stride, -padding, (kernel - 1) * dilation - padding)


def _last(value: Any) -> Any:
    """The entry for w of something given once, or for h and w."""
    return value[-1] if isinstance(value, tuple | list) else value


def _columns(index: Any, axes: int) -> slice:
    """The part of x[index] that speaks of the last axis of x."""
    index = index if isinstance(index, tuple) else (index,)
    reaches_last = len([i for i in index if i is not None]) == axes or (
        index[0] is Ellipsis and len(index) > 1
    )
    return index[-1] if reaches_last and isinstance(index[-1], slice) else slice(None)
