"""The judge of the exercises: fair to right answers, kind and exact about wrong ones, never raising."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from yolox_edu.exercises import check

judge = sys.modules["yolox_edu.exercises.judge"]
Random, same, Wrong = judge.Random, judge.same, judge.Wrong


def twice(answer, random):
    """the same as x + x."""
    x = random.tensor(*random.shape())
    faults = {"2 was added; times 2 was asked": x + 2}
    same(answer(x), x + x, f"on a tensor of shape {tuple(x.shape)}", faults)


def number(answer, random):
    """the number of cells"""
    same(answer, 8400, "at 640 x 640")


def word(answer, random):
    """the word"""
    same(answer, "stride", "for the side of a cell")


def module(answer, random):
    """the same as the identity"""
    x = random.tensor(2, 4)
    same(answer(4)(x), x, "on a 2 x 4 tensor")


def changing(answer, random):
    """the same numbers in place"""
    x = random.tensor(3)
    wanted = 2 * x
    answer(x)
    same(x, wanted, "on three numbers")


def several(answer, random):
    """the same tuple and dict"""
    x = random.tensor(3)
    same(answer(x), (x, {"boxes": x}), "on three numbers")


@pytest.fixture(autouse=True)
def _own_exercises(monkeypatch):
    """A chapter 99 with an exercise for each function above."""
    monkeypatch.setattr(judge, "_EXERCISES", {})
    for i, run in enumerate((twice, number, word, module, several), start=1):
        judge.exercise(f"99.{i}")(run)
    judge.exercise("99.6", seeds=3, in_place=True)(changing)
    own = dict(judge._EXERCISES)
    monkeypatch.setattr(judge, "exercises", lambda chapter: own if chapter == "99" else {})


class Identity(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(c))

    def forward(self, x):
        return x * self.weight


class Stub(Identity):
    def forward(self, x): ...


class Nothing(nn.Module):
    def __init__(self, c):
        super().__init__()


class Broken(Identity):
    def forward(self, x):
        return x @ x


def in_place(x):
    x *= 2
    return x


def helper(x):
    return torch.cat([x, x[0]])


def deep(x):
    return helper(x)


def forgets(x):
    y = 2 * x  # noqa: F841


def add_to(x):
    x += x
    return x


RIGHT = {
    "function": ("99.1", lambda x: 2 * x, "99.1 right: the same as x + x, on 5 random inputs"),
    "with gradient": ("99.1", lambda x: 2 * x.requires_grad_(), "99.1 right: "),
    "number": ("99.2", 8400, "99.2 right: the number of cells"),
    "tensor as number": ("99.2", torch.tensor(8400), "99.2 right: the number of cells"),
    "float as number": ("99.2", 8400.0, "99.2 right: the number of cells"),
    "word": ("99.3", " Stride ", "99.3 right: the word"),
    "class": ("99.4", Identity, "99.4 right: the same as the identity, on 5 random inputs"),
    "list and dict": ("99.5", lambda x: [x, {"boxes": x, "more": 1}], "99.5 right: "),
    "in place": ("99.6", add_to, "99.6 right: the same numbers in place, on 3 random inputs"),
}
YOUR_TURN = {
    "nothing": ("99.1", lambda x: None, "99.1 your turn: your function returns nothing yet"),
    "no return": ("99.1", forgets, "99.1 your turn: forgets returns nothing yet (is `return` missing?)"),
    "two nothings": ("99.5", lambda x: (None, None), "99.5 your turn: "),
    "no answer": ("99.2", None, "99.2 your turn: no answer yet"),
    "ellipsis": ("99.2", ..., "99.2 your turn: no answer yet"),
    "words": ("99.3", "your answer", "99.3 your turn: no answer yet"),
    "class": ("99.4", Stub, "99.4 your turn: Stub returns nothing yet"),
    "no forward": ("99.4", Nothing, "99.4 your turn: Nothing is not written yet"),
}
SHAPE = "on a tensor of shape (4, 7, 5, 2): "
NOT_YET = {
    "fault": ("99.1", lambda x: x + 2, SHAPE + "2 was added; times 2 was asked"),
    "numpy": ("99.1", lambda x: 2 * x.numpy(), "a numpy array came out; a torch tensor was asked"),
    "list": ("99.1", lambda x: x.tolist(), "a list of 4 things came out; a tensor of shape (4, 7, 5, 2)"),
    "tuple": ("99.1", lambda x: (2 * x,), "a tuple of 1 thing came out"),
    "iterator": ("99.1", lambda x: (2 * y for y in x), "something of type generator came out"),
    "a word": ("99.1", lambda x: "x" * 10**6, "the word 'xxxx"),
    "dtype": ("99.1", lambda x: 2 * x.double(), "the dtype is float64; float32 is right"),
    "device": ("99.1", lambda x: x.to("meta"), "the result lies on meta; cpu was asked"),
    "shape": ("99.1", lambda x: 2 * x[0], "the shape is (7, 5, 2); (4, 7, 5, 2) is right"),
    "huge": ("99.1", lambda x: x.new_zeros(1).expand(10**12), "the shape is (1000000000000,)"),
    "nan": ("99.1", lambda x: 2 * x * float("nan"), "280 of 280 numbers are NaN"),
    "infinite": ("99.1", lambda x: x / 0, "280 of 280 numbers are infinite"),
    "large": (
        "99.1",
        lambda x: x * 1e30,
        "280 of 280 numbers are off, most at [2, 0, 1, 1]: 2.6963e+30 came",
    ),
    "sparse": ("99.1", lambda x: (2 * x).to_sparse(), "cannot be compared"),
    "one number": ("99.1", lambda x: torch.cat([x[:1], 2 * x[1:]]), "70 of 280 numbers are off"),
    "in place": ("99.1", in_place, "given (4, 7, 5, 2): in_place changes its input"),
    "raises": ("99.1", deep, "“return torch.cat([x, x[0]])”, raised RuntimeError: Tensors must have same"),
    "exits": ("99.1", lambda x: sys.exit(), "raised SystemExit"),
    "recurses": ("99.1", lambda x: NOT_YET["recurses"][1](x), "raised RecursionError"),
    "arguments": ("99.1", lambda: 3, "raised TypeError: <lambda>() takes 0 positional arguments"),
    "called": ("99.1", torch.zeros(3), "99.1 not yet: give the function itself, without calling it"),
    "other number": ("99.2", 8401, "at 640 x 640: 8,401 came out, which is not right"),
    "no number": ("99.2", float("nan"), "at 640 x 640: nan came out"),
    "truth": ("99.2", True, "True came out; a number was asked"),
    "array": ("99.2", np.zeros(2), "a numpy array of shape (2,) came out; a number was asked"),
    "number as word": ("99.2", "8400", "the word '8400' came out; a number was asked"),
    "function": ("99.2", in_place, "a function, not its result, came out"),
    "other word": ("99.3", "size", "the answer 'size' is not the one"),
    "no word": ("99.3", 3, "the number 3 came out; a word in quotes was asked"),
    "module": ("99.4", Broken, "given (2, 4): line"),
    "odd class": ("99.4", lambda c: 3, "the check cannot use what came out (TypeError: 'int' object is not"),
    "too few": ("99.5", lambda x: [x], "1 things came out; 2 were asked"),
    "second": ("99.5", lambda x: (x, {"boxes": 2 * x}), "in number 1 of the 2 results under 'boxes' 3 of 3"),
    "key": ("99.5", lambda x: (x, {"box": x}), "'boxes' is missing in the dict"),
}


@pytest.mark.parametrize(
    ("state", "case"),
    [
        (s, c)
        for s, t in {"right": RIGHT, "your turn": YOUR_TURN, "not yet": NOT_YET}.items()
        for c in t.items()
    ],
    ids=lambda v: v if isinstance(v, str) else v[0],
)
def test_verdicts(state, case, capsys):
    number, answer, fragment = case[1]
    found = judge.judge(number, answer)
    assert found.state == state, found.message
    assert fragment in found.message
    assert found.message.startswith(f"{number} {state}: ")
    assert "\n" not in found.message
    assert len(found.message) < 400
    check(number, answer)
    assert capsys.readouterr().out == f"{found.message}\n"


def test_changes_inside_a_list_and_of_an_array_are_seen():
    def whiten(pictures, flags):
        pictures[1][0] = 255
        return pictures

    def ask(answer, random):
        """the same pictures"""
        answer([torch.zeros(2), np.zeros((2, 2), dtype=np.uint8)], {"all": torch.tensor([True])})

    judge.exercise("99.8")(ask)
    judge.exercises("99")["99.8"] = judge._EXERCISES["99.8"]
    assert judge.judge("99.8", lambda p, f: p).state == "right"
    message = judge.judge("99.8", whiten).message
    assert (
        message
        == "99.8 not yet: given list and dict: whiten changes its input; work on a copy (x = x.clone())"
    )


def test_a_module_is_judged_on_a_copy():
    net = Identity(4)
    judge.exercise("99.7")(lambda answer, random: same(answer(torch.ones(2, 4)), torch.ones(2, 4), "on ones"))
    judge.exercises("99")["99.7"] = judge._EXERCISES["99.7"]
    assert judge.judge("99.7", net).state == "right"
    assert "forward" not in vars(net)


def test_an_unknown_number_is_told_which_there_are(capsys):
    with pytest.raises(LookupError, match=r"this chapter has 99\.1, 99\.2"):
        judge.judge("99.9", None)
    check("99.9", None)
    assert "there is no exercise 99.9; this chapter has 99.1, 99.2" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["", "x", "98.1", "9", "../1.2"])
def test_a_chapter_without_exercises(number, monkeypatch, capsys):
    monkeypatch.undo()
    check(number, None)
    assert "there are no exercises for chapter" in capsys.readouterr().out


def test_the_readers_random_state_is_left_alone():
    state = torch.get_rng_state()
    judge.judge("99.1", lambda x: 2 * x + 0 * torch.rand(()))
    assert torch.equal(torch.get_rng_state(), state)


def test_stopping_by_hand_stops():
    def slow(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge.judge("99.1", slow)


def test_random_draws_the_same_from_the_same_seed():
    for draw in (
        lambda r: torch.tensor(r.shape()),
        lambda r: r.tensor(2, 3),
        lambda r: r.uniform(4, low=-1, high=1),
        lambda r: r.integers(0, 5, 7),
        lambda r: r.boxes(6),
        lambda r: torch.tensor(r.integer(0, 10**6)),
    ):
        assert torch.equal(draw(Random(3)), draw(Random(3)))
        assert not torch.equal(draw(Random(3)), draw(Random(4)))


def test_random_keeps_its_promises():
    for seed in range(20):
        r = Random(seed)
        assert r.integer(2, 4) in (2, 3, 4)
        assert r.choice("abc") in "abc"
        n, c, h, w = r.shape(multiple=4)
        assert len({n, c, h // 4, w // 4}) == 4
        assert h % 4 == w % 4 == 0
        boxes = r.boxes(50, width=100, height=60, least=5)
        assert (boxes[:, 2:] - boxes[:, :2]).min() >= 5 - 1e-4
        assert boxes.min() >= 0
        assert (boxes[:, 2:] <= torch.tensor([100.0001, 60.0001])).all()
        assert r.integers(1, 3, 100).unique().tolist() == [1, 2, 3]
    assert Random(0).draws == 0
    with pytest.raises(ValueError, match="do not fit"):
        Random(0).shape(axes=5, low=1, high=4)


def test_same_with_tolerance_and_dtype():
    x = torch.tensor([1.0, 2.0])
    same(x + 1e-3, x, "here", atol=0.01)
    same(x.double(), x, "here", any_dtype=True)
    with pytest.raises(Wrong, match="here: the dtype is float64"):
        same(x.double(), x, "here")
    same(torch.tensor([float("nan"), float("inf")]), torch.tensor([float("nan"), float("inf")]), "here")
    with pytest.raises(Wrong, match="1 of 2 numbers are NaN"):
        same(torch.tensor([float("nan"), 2]), x, "here")
    same(torch.zeros(0, 4), torch.zeros(0, 4), "with no boxes")
