"""The command line: `python -m yolox_edu detect|train|evaluate|data|doctor|export`.

Each sub-command has a module with `add_arguments(parser)` and `main(arguments) -> exit code`. A module
is imported only when its sub-command is asked for, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

COMMANDS = {  # name: (module, what it does)
    "detect": ("yolox_edu.cli_detect", "find objects in pictures, folders, videos or a webcam"),
    "train": ("yolox_edu.cli_train", "train a network, from scratch or from weights"),
    "evaluate": ("yolox_edu.cli_evaluate", "measure a network: COCO AP, by class and by size"),
    "data": (
        "yolox_edu.cli_data",
        "draw the street crossing or fetch COCO; look at a set, check or convert it",
    ),
    "doctor": ("yolox_edu.cli_doctor", "name what is wrong with a set, with weights, or with this machine"),
    "export": ("yolox_edu.cli_export", "write weights in another format"),
}
EPILOG = """\
examples:
  python -m yolox_edu detect                       draws four street scenes and detects in them
  python -m yolox_edu detect street.jpg holiday/   writes the drawn pictures to runs/detect
  python -m yolox_edu train                        trains on the drawn crossing, then evaluates
  python -m yolox_edu evaluate --data coco --split val2017 --weights yolox_s.pth
  python -m yolox_edu doctor --data my-pictures --weights runs/mine/best.pt

`python -m yolox_edu COMMAND --help` explains a command.
Exit code: 0 done, 1 something could not be done (one line says what), 2 wrong usage, 130 stopped with Ctrl-C.
"""


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the examples' lines as they are, and shows defaults where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool | list):
            return action.help
        return super()._get_help_string(action)


def parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser; only the chosen sub-command gets its arguments, which needs its module."""
    top = argparse.ArgumentParser(
        prog="python -m yolox_edu",
        description="YOLOX, layer by layer: detect, train and evaluate.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print the version and leave")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=HelpFormatter,
        )
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run a command line; returns the exit code (argparse leaves with 2 by itself)."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        return _run(argv)
    except KeyboardInterrupt:
        print("yolox_edu: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("YOLOX_EDU_DEBUG") == "1":
            raise
        print(f"yolox_edu: error: {_in_words(error)}", file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
    chosen = next((word for word in argv if not word.startswith("-")), None)
    top = parser(chosen)
    arguments = top.parse_args(argv)
    if arguments.version:
        print(f"yolox_edu {importlib.import_module('yolox_edu').__version__}")
        return 0
    if arguments.command is None:
        top.print_help()
        return 2
    return importlib.import_module(COMMANDS[arguments.command][0]).main(arguments)


def _in_words(error: Exception) -> str:
    """One line for a person: what, and with which file."""
    if isinstance(error, ImportError):
        from yolox_edu.doctor_environment import INSTALL_EXTRAS

        return f"{error}; `{INSTALL_EXTRAS}` brings everything that training and evaluating need"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
