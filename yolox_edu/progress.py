"""What a person sees of something long: a bar in a terminal, a line now and then in a log. For chapter 19."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

EVERY = 30.0  # seconds between two lines in a log


class Progress:
    """How much of `total` is done. `shown`: nothing at all is said without it.

        with Progress("val2017.zip", "B") as progress:
            progress.begin(300_000, 815_585_330)  # so much is there from before
            progress.add(16_384)
            progress.say("the server answers 503; trying again")

    A log gets lines such as "val2017.zip: 412MB of 816MB (50%), 12.1MB/s", the first after half a minute.
    """

    def __init__(self, name: str, unit: str, total: int | None = None, shown: bool = True) -> None:
        self.name, self.unit, self.done, self.total = name, unit, 0, total
        watched = sys.stderr is not None and sys.stderr.isatty()
        self._logs = shown and not watched and sys.stderr is not None
        self._told, self._had = time.monotonic(), 0  # when the last line was written, and how much there was
        unit = unit if unit == "B" else f" {unit}"
        self._bar = tqdm(
            desc=name, total=total, unit=unit, unit_scale=unit == "B", dynamic_ncols=True,
            disable=not (shown and watched),
        )  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def begin(self, done: int, total: int | None) -> None:
        """Start (again) at `done`, which does not count for the speed."""
        self.done, self.total, self._had = done, total, done
        self._bar.reset(total)
        self._bar.n = self._bar.initial = self._bar.last_print_n = done
        self._bar.refresh()

    def add(self, count: int = 1) -> None:
        """So much more is done."""
        self.done += count
        self._bar.update(count)
        if self._logs and time.monotonic() - self._told >= EVERY:
            self._tell()

    def say(self, text: str) -> None:
        """A remark, on a line of its own."""
        if self._logs or not self._bar.disable:
            self._bar.write(f"{self.name}: {text}", file=sys.stderr)

    def _tell(self) -> None:
        now = time.monotonic()
        rate = self._amount((self.done - self._had) / (now - self._told))
        whole = f" of {self._amount(self.total)} ({self.done / self.total:.0%})" if self.total else ""
        self.say(f"{self._amount(self.done)}{whole}, {rate}/s")
        self._told, self._had = now, self.done

    def _amount(self, count: int | float) -> str:
        return f"{tqdm.format_sizeof(count)}B" if self.unit == "B" else f"{count:,.0f} {self.unit}"
