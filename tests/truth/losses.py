"""Losses and the gradients of their outputs, with every option, and with weights of the samples."""

import itertools

import numpy
import torch
from torch.nn import functional

from truth import Table, single, values

table = Table(__file__)
WORDS = {"mean": "mean", "batchmean": "batchmean", "sum": "sum"}


def reduced(losses, counts, reduction, samples):
    """The sum of all losses of each sample, weighted and divided as the reduction says.

    losses: N×… losses without reduction; counts: what the mean divides by, of the same shape.
    """
    ones = torch.ones(losses.shape[0]) if samples is None else samples
    total = (ones * losses.flatten(1).sum(1)).sum()
    if reduction == "sum":
        return total
    return total / (ones.sum() if reduction == "batchmean" else (ones * counts.flatten(1).sum(1)).sum())


def add(name, kind, attributes, shape, targets, call, reduction="mean", samples=None, counts=None, scores=None):
    """Adds a case. call(y, targets, reduction) is torch's function; counts are the values by default.

    Without weights of the samples torch reduces itself; then the reduction above must agree with it.
    """
    generator = numpy.random.default_rng(list(name.encode()))
    y = values(generator, *shape) if scores is None else scores.clone()
    y.requires_grad_(True)
    losses = call(y, targets, "none")
    losses = losses.reshape(shape[0], -1)
    counts = torch.ones_like(losses) if counts is None else counts.reshape(losses.shape)
    loss = reduced(losses, counts, reduction, samples)
    if samples is None and reduction != "batchmean":
        assert torch.allclose(loss, call(y, targets, reduction), rtol=1e-14, atol=1e-14), name
    (dy,) = torch.autograd.grad(loss, y)
    labels = not targets.is_floating_point()
    table.add(
        name,
        loss={"loss": kind, **attributes, "reduction": reduction},
        batch=shape[0],
        shape=list(shape[1:]) + [1] * (4 - len(shape)),
        y=y,
        labels=targets if labels else None,
        targets=None if labels else targets,
        samples=samples,
        value=[float(loss.detach())],
        dy=dy,
    )


WEIGHTS = torch.tensor([0.25, 1.5, 2.0, 0.5, 1.0])
SAMPLES = torch.tensor([0.5, 0.0, 2.0, 1.25])


def drawn(name):
    return numpy.random.default_rng([7, *name.encode()])


def cross_entropy():
    for pixels, weighted, smoothing, ignored, reduction, samples in itertools.product(
        [False, True], [False, True], [0.0, single(0.1)], [False, True], WORDS, [None, SAMPLES]
    ):
        shape = (4, 5, 2, 3) if pixels else (4, 5)
        name = " ".join(
            ["softmax"]
            + ["per pixel"] * pixels
            + ["weights"] * weighted
            + ["smooth"] * (smoothing > 0)
            + ["ignored"] * ignored
            + [reduction]
            + ["samples"] * (samples is not None)
        )
        labels = torch.from_numpy(drawn(name).integers(0, 5, (4, 2, 3) if pixels else (4,)))
        kept = torch.ones_like(labels, dtype=torch.bool)
        if ignored:
            kept.view(-1)[1::3] = False
        # Some versions of torch do not accept an ignored label that is no class together with label smoothing.
        counts = kept * (WEIGHTS[labels] if weighted else 1.0)

        def call(y, targets, how, keep=kept, weight=WEIGHTS if weighted else None, smoothing=smoothing):
            losses = functional.cross_entropy(y, targets, weight, reduction="none", label_smoothing=smoothing) * keep
            if how == "none":
                return losses
            if smoothing == 0:
                marked = torch.where(keep, targets, torch.tensor(255))
                return functional.cross_entropy(y, marked, weight, ignore_index=255, reduction=how)
            divisor = (keep * (1.0 if weight is None else weight[targets])).sum() if how == "mean" else 1.0
            return losses.sum() / divisor

        attributes = {"perPixel": pixels, "labelSmoothing": smoothing}
        if weighted:
            attributes["classWeights"] = WEIGHTS.tolist()
        if ignored:
            attributes["ignoreClass"] = 255
        add(name, "softmax", attributes, shape, labels, call, reduction, samples, counts)
        table.cases[-1]["labels"] = torch.where(kept, labels, torch.tensor(255)).flatten().tolist()


def soft_targets():
    for pixels, weighted, smoothing, reduction, samples in itertools.product(
        [False, True], [False, True], [0.0, single(0.1)], WORDS, [None, SAMPLES]
    ):
        shape = (4, 5, 2, 3) if pixels else (4, 5)
        name = " ".join(
            ["soft targets"]
            + ["per pixel"] * pixels
            + ["weights"] * weighted
            + ["smooth"] * (smoothing > 0)
            + [reduction]
            + ["samples"] * (samples is not None)
        )
        targets = values(drawn(name), *shape, least=0, most=1)

        def call(y, targets, how, weight=WEIGHTS if weighted else None, smoothing=smoothing):
            return functional.cross_entropy(y, targets, weight, reduction=how, label_smoothing=smoothing)

        attributes = {"perPixel": pixels, "labelSmoothing": smoothing, "softTargets": True}
        if weighted:
            attributes["classWeights"] = WEIGHTS.tolist()
        add(name, "softmax", attributes, shape, targets, call, reduction, samples)


def hinges():
    for p, margin, weighted, reduction, samples in itertools.product(
        [1, 2], [1.0, 0.25], [False, True], WORDS, [None, SAMPLES]
    ):
        name = f"multi margin {p} {margin}{' weights' * weighted} {reduction}{' samples' * (samples is not None)}"
        labels = torch.from_numpy(drawn(name).integers(0, 5, (4,)))

        def call(y, targets, how, p=p, margin=margin, weight=WEIGHTS if weighted else None):
            return functional.multi_margin_loss(y, targets, p, margin, weight, reduction=how)

        attributes = {"p": f"{p}", "margin": margin}
        if weighted:
            attributes["classWeights"] = WEIGHTS.tolist()
        add(name, "multimargin", attributes, (4, 5), labels, call, reduction, samples)
        if p == 1 and not weighted:
            add(
                name.replace("multi margin 1", "svm"),
                "svm",
                {"margin": margin},
                (4, 5),
                labels,
                lambda y, targets, how, call=call: 5 * call(y, targets, how),
                reduction,
                samples,
            )


def elementwise():
    cases = [
        ("mse", {}, functional.mse_loss, {}),
        ("l1", {}, functional.l1_loss, {}),
        ("huber", {"delta": 1.0}, functional.huber_loss, {"delta": 1.0}),
        ("huber", {"delta": 0.75}, functional.huber_loss, {"delta": 0.75}),
        ("smoothl1", {"beta": 1.0}, functional.smooth_l1_loss, {"beta": 1.0}),
        ("smoothl1", {"beta": 0.75}, functional.smooth_l1_loss, {"beta": 0.75}),
        ("smoothl1", {"beta": 0.0}, functional.smooth_l1_loss, {"beta": 0.0}),
    ]
    for (kind, attributes, call, options), shape, reduction, samples in itertools.product(
        cases, [(4, 5), (4, 3, 2, 2)], WORDS, [None, SAMPLES]
    ):
        name = f"{kind} {attributes} {list(shape)} {reduction}{' samples' * (samples is not None)}"
        targets = values(drawn(name), *shape)

        # Torch documents that a beta of 0 gives l1_loss, but 1.13 returns a derivative of -1 at a distance of 0.
        if options == {"beta": 0.0}:
            call, options = functional.l1_loss, {}

        def apply(y, targets, how, call=call, options=options):
            return call(y, targets, reduction=how, **options)

        scores = values(drawn(name + "y"), *shape)
        scores.view(-1)[::4] = targets.view(-1)[::4]  # the kink at a distance of 0
        add(name, kind, attributes, shape, targets, apply, reduction, samples, scores=scores)


def binary():
    for weighted, shape, reduction, samples in itertools.product(
        [False, True], [(4, 5), (4, 5, 2, 3)], WORDS, [None, SAMPLES]
    ):
        name = f"binary{' weights' * weighted} {list(shape)} {reduction}{' samples' * (samples is not None)}"
        targets = values(drawn(name), *shape, least=0, most=1)

        def call(y, targets, how, weight=WEIGHTS if weighted else None):
            shaped = weight if weight is None or y.dim() == 2 else weight.reshape(5, 1, 1)
            return functional.binary_cross_entropy_with_logits(y, targets, reduction=how, pos_weight=shaped)

        attributes = {"positiveWeights": WEIGHTS.tolist()} if weighted else {}
        scores = values(drawn(name + "y"), *shape, least=-8, most=8)
        add(name, "bcewithlogits", attributes, shape, targets, call, reduction, samples, scores=scores)


def divergence():
    for log_target, shape, reduction, samples in itertools.product(
        [False, True], [(4, 5), (4, 3, 2, 2)], WORDS, [None, SAMPLES]
    ):
        name = f"divergence{' log' * log_target} {list(shape)} {reduction}{' samples' * (samples is not None)}"
        least, most = (-4, 0) if log_target else (0, 1)
        targets = values(drawn(name), *shape, least=least, most=most)
        if not log_target:
            targets.view(-1)[::5] = 0

        def call(y, targets, how, log_target=log_target):
            return functional.kl_div(y, targets, reduction=how, log_target=log_target)

        scores = functional.log_softmax(values(drawn(name + "y"), *shape), dim=1)
        scores = torch.from_numpy(scores.numpy().astype(numpy.float32).astype(numpy.float64))
        add(name, "kldiv", {"logTarget": log_target}, shape, targets, call, reduction, samples, scores=scores)


cross_entropy()
soft_targets()
hinges()
elementwise()
binary()
divergence()
table.write()
