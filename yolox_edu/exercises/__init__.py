"""One check for every exercise of the book: `check("03.1", my_function)`."""

from typing import Any

from yolox_edu.exercises.judge import judge as _judge

__all__ = ["check"]


def check(number: str, answer: Any) -> None:
    """Print in one sentence whether an answer is right, and if not, what is off; never raises.

    The number is the chapter's and the exercise's ("03.1"); the answer is what the exercise asks for: a
    function, a class, a number or a word.
    """
    try:
        print(_judge(number, answer).message)
    except LookupError as unknown:
        print(unknown.args[0])
