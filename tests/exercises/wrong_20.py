"""Typical wrong answers to the exercises of chapter 20, and words of the message that each must get."""

import torch


def phases(weight):
    return weight.unflatten(1, (4, 3))  # c phase colour 3 3


def leaves(net):
    return [name for name, module in net.named_modules() if name and not list(module.children())]


def outputs(net, x):
    seen = {}
    for name, module in net.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, i, out, name=name: seen.update({name: out.clone()}))
    net(x)
    return seen


def as_registered(right, wrong, x):
    good, bad = outputs(right, x), outputs(wrong, x)
    return next(name for name in leaves(right) if not torch.allclose(good[name], bad[name]))


def last(right, wrong, x):
    return list(outputs(right, x))[-1]


def earliest(right, wrong, x):
    return next(iter(outputs(right, x)))


def by_weights(right, wrong, x):
    return next(
        (n.removesuffix(".weight") for n, p in right.named_parameters()
         if not torch.equal(p, wrong.get_parameter(n))),
        list(outputs(right, x))[-1],
    )  # fmt: skip


def tensors_only(right, wrong, x):
    for name, tensor in right.named_parameters():
        if not torch.equal(tensor, wrong.get_parameter(name)):
            return name.rpartition(".")[0]


def normalised(weight, mean, std, sign=-1, colour=None):
    scaled = weight / std.view(1, -1, 1, 1)
    bias = sign * (scaled * mean.view(1, -1, 1, 1)).sum((1, 2, 3))
    return scaled, bias, mean if colour is None else colour(mean)


def times(weight, mean, std):
    return normalised(weight, mean, 1 / std)


def undivided(weight, mean, std):
    return normalised(weight, mean, std)[0], normalised(weight, mean, torch.ones_like(std))[1], mean


WRONG = {
    "20.1": [
        (lambda w: phases(w).flip(2).flatten(1, 2) / 255, "wrong side"),
        (lambda w: phases(w).flip(2).flatten(1, 2), "255 times smaller"),
        (lambda w: w * 255, "still swapped"),
        (lambda w: w.flip(1) * 255, "all twelve"),
        (lambda w: phases(w).flip(1).flatten(1, 2) * 255, "phases, not the colours"),
        (lambda w: phases(w).flip(2) * 255, "the shape is"),
    ],
    "20.2": [
        (as_registered, "not the order of running"),
        (last, "last to run"),
        (earliest, "equal in both"),
        (by_weights, "last to run"),
        (tensors_only, "only its output shows"),
        (lambda right, wrong, x: "layers", "no module without children"),
    ],
    "20.3": [
        (lambda *given: normalised(*given, sign=1), "wrong sign"),
        (undivided, "divided by the deviation"),
        (times, "multiplied by the deviation"),
        (lambda *given: normalised(*given, colour=torch.zeros_like), "black"),
        (lambda *given: normalised(*given)[:2], "2 things came out"),
    ],
}
