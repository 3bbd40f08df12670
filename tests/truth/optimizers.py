"""Trajectories of optimisers: 1,000 steps of a small network on one batch.

torch.optim has most of the rules. Those that it lacks are written here from their papers, on arrays of numpy.
"""

import numpy
import torch
from truth import Table, single, values

STEPS, RECORDED = 1000, (10, 1000)
SHAPES = {"conv1.weight": (5, 1, 3, 3), "conv1.bias": (5,), "linear1.weight": (3, 30), "linear1.bias": (3,)}

table = Table(__file__)
generator = numpy.random.default_rng(7)
x, y = values(generator, 4, 1, 5, 4), values(generator, 4, 3)
START = {
    name: values(generator, *shape, least=-0.5, most=0.5) if name.endswith("weight") else torch.zeros(shape)
    for name, shape in SHAPES.items()
}


def loss(w):
    hidden = torch.nn.functional.gelu(torch.nn.functional.conv2d(x, w["conv1.weight"], w["conv1.bias"]))
    out = torch.nn.functional.linear(hidden.flatten(1), w["linear1.weight"], w["linear1.bias"])
    return torch.nn.functional.mse_loss(out, y)


class FromPaper:
    """Steps with a rule on arrays: rule(name, step, learning rate, weight decay, w, g, state) returns the new w."""

    def __init__(self, w, rate, decay, rule):
        self.w, self.rate, self.decay, self.rule, self.count = w, rate, decay, rule, 0
        self.state = {name: {} for name in w}

    def step(self):
        self.count += 1
        for name, w in self.w.items():
            bias = name.endswith("bias")
            new = self.rule(
                name,
                self.count,
                single(self.rate * 0.5) if bias else self.rate,
                0.0 if bias else self.decay,
                w.detach().numpy().copy(),
                w.grad.numpy().copy(),
                self.state[name],
            )
            with torch.no_grad():
                w.copy_(torch.from_numpy(new))


def run(name, optimizer, make, rate, decay=0.0):
    """Adds a case. Biases have half the learning rate and no weight decay. make(groups or w) returns an optimiser."""
    rate, decay = single(rate), single(decay)
    w = {key: value.clone().requires_grad_(True) for key, value in START.items()}
    if isinstance(make, type) or not getattr(make, "own", False):
        groups = [
            {"params": [w["conv1.weight"], w["linear1.weight"]], "lr": rate, "weight_decay": decay},
            {"params": [w["conv1.bias"], w["linear1.bias"]], "lr": single(rate * 0.5), "weight_decay": 0.0},
        ]
        made = make(groups)
    else:
        made = FromPaper(w, rate, decay, make)
    recorded = {}
    for step in range(1, STEPS + 1):
        for value in w.values():
            value.grad = None
        loss(w).backward()
        made.step()
        if step in RECORDED:
            recorded[str(step)] = torch.cat([value.detach().flatten() for value in w.values()])
    table.add(
        name,
        optimizer={**optimizer, **({"weightDecay": decay} if decay or "weightDecay" in optimizer else {})},
        learningRate=rate,
        x=x,
        y=y,
        start=torch.cat([value.flatten() for value in START.values()]),
        after=recorded,
    )


def own(rule):
    rule.own = True
    return rule


def zeros(state, key, like):
    if key not in state:
        state[key] = numpy.zeros_like(like)
    return state[key]


def adam_direction(step, g, state, beta1, beta2, epsilon):
    m, v = zeros(state, "m", g), zeros(state, "v", g)
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    return m / (1 - beta1**step) / (numpy.sqrt(v / (1 - beta2**step)) + epsilon)


# Dozat, "Incorporating Nesterov momentum into Adam", as documented by PyTorch. PyTorch 1.13 itself multiplies the
# product of the next step by the momentum of the current step twice.
def nadam(beta1, beta2, epsilon, momentum_decay, decoupled=False):
    @own
    def rule(name, step, rate, decay, w, g, state):
        w, g = (w * (1 - rate * decay), g) if decoupled else (w, g + decay * w)
        m, v = zeros(state, "m", g), zeros(state, "v", g)
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (step, step + 1))
        state["product"] = state.get("product", 1.0) * mu
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        divisor = numpy.sqrt(v / (1 - beta2**step)) + epsilon
        change = (1 - mu) / (1 - state["product"]) * g + following / (1 - state["product"] * following) * m
        return w - rate * change / divisor

    return rule


# Chen et al., "Symbolic discovery of optimization algorithms", program 1.
def lion(beta1, beta2):
    @own
    def rule(name, step, rate, decay, w, g, state):
        m = zeros(state, "m", g)
        update = numpy.sign(beta1 * m + (1 - beta1) * g)
        m[...] = beta2 * m + (1 - beta2) * g
        return w - rate * (update + decay * w)

    return rule


# You, Gitman and Ginsburg, "Large batch training of convolutional networks", algorithm 1. A parameter of zeros, as an
# initial bias, takes a plain step.
def lars(momentum, trust):
    @own
    def rule(name, step, rate, decay, w, g, state):
        v = zeros(state, "v", g)
        norm, divisor = numpy.linalg.norm(w), numpy.linalg.norm(g) + decay * numpy.linalg.norm(w)
        local = trust * norm / divisor if norm > 0 and divisor > 0 else 1.0
        v[...] = momentum * v + rate * local * (g + decay * w)
        return w - v

    return rule


# You et al., "Large batch optimization for deep learning", algorithm 2.
def lamb(beta1, beta2, epsilon):
    @own
    def rule(name, step, rate, decay, w, g, state):
        update = adam_direction(step, g, state, beta1, beta2, epsilon) + decay * w
        norm, divisor = numpy.linalg.norm(w), numpy.linalg.norm(update)
        return w - rate * (norm / divisor if norm > 0 and divisor > 0 else 1.0) * update

    return rule


# Jordan et al., "Muon: an optimizer for hidden layers in neural networks"; the size: Liu et al., "Muon is scalable for
# LLM training". Vectors are updated by AdamW, and so are the parameters whose names are given.
def muon(momentum, nesterov, iterations, match_adam, fallback=()):
    @own
    def rule(name, step, rate, decay, w, g, state):
        w = w * (1 - rate * decay)
        if w.ndim == 1 or name in fallback:
            return w - rate * adam_direction(step, g, state, 0.9, 0.999, 1e-8)
        b = zeros(state, "b", g)
        b[...] = momentum * b + (1 - momentum) * g
        matrix = ((1 - momentum) * g + momentum * b if nesterov else b).reshape(len(g), -1)
        o = matrix / max(numpy.linalg.norm(matrix), 1e-7)
        for _ in range(iterations):
            a = o @ o.T
            o = 3.4445 * o + (-4.7750 * a + 2.0315 * a @ a) @ o
        rows, columns = matrix.shape
        size = 0.2 * max(rows, columns) ** 0.5 if match_adam else max(1, rows / columns) ** 0.5
        return w - rate * size * o.reshape(w.shape)

    return rule


# Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", algorithm 1, around a rule.
def lookahead(inner, k, alpha):
    @own
    def rule(name, step, rate, decay, w, g, state):
        slow = state.setdefault("slow", w.copy())
        w = inner(name, step, rate, decay, w, g, state)
        if step % k == 0:
            slow += alpha * (w - slow)
            w = slow.copy()
        return w

    return rule


def sgd(momentum):
    @own
    def rule(name, step, rate, decay, w, g, state):
        v = zeros(state, "v", g)
        v[...] = momentum * v + g + decay * w
        return w - rate * v

    return rule


def of(kind, **options):
    return lambda groups: kind(groups, lr=1.0, **options)


optim = torch.optim
mu, mu2 = single(0.9), single(0.75)
run("sgd", {"optimizer": "sgd"}, of(optim.SGD), 0.05)
run("sgd with momentum", {"optimizer": "sgd", "momentum": mu}, of(optim.SGD, momentum=mu), 0.02, 1e-3)
run("sgd, nesterov", {"optimizer": "sgd", "momentum": mu2, "nesterov": True},
    of(optim.SGD, momentum=mu2, nesterov=True), 0.02, 0.01)
run("sgd, dampened", {"optimizer": "sgd", "momentum": mu, "dampening": 0.25},
    of(optim.SGD, momentum=mu, dampening=0.25), 0.02, 1e-3)
run("adam", {"optimizer": "adam"}, of(optim.Adam), 1e-3)
run("adam with decay", {"optimizer": "adam", "beta1": 0.5, "beta2": 0.99, "epsilon": 1e-4},
    of(optim.Adam, betas=(0.5, 0.99), eps=1e-4), 3e-4, 1e-2)
run("amsgrad", {"optimizer": "adam", "amsGrad": True}, of(optim.Adam, amsgrad=True), 1e-3)
run("adamw", {"optimizer": "adamw"}, of(optim.AdamW), 1e-3, 0.1)
run("adamw, amsgrad", {"optimizer": "adamw", "amsGrad": True}, of(optim.AdamW, amsgrad=True), 1e-3, 0.1)
run("nadam", {"optimizer": "nadam"}, nadam(0.9, 0.999, 1e-8, 0.004), 3e-4)
run("nadam, decoupled", {"optimizer": "nadam", "decoupledWeightDecay": True}, nadam(0.9, 0.999, 1e-8, 0.004, True),
    3e-4, 0.1)
run("nadam with decay", {"optimizer": "nadam", "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-4, "momentumDecay": 0.01},
    nadam(0.8, 0.99, 1e-4, 0.01), 3e-4, 1e-2)
run("rmsprop", {"optimizer": "rmsprop"}, of(optim.RMSprop), 1e-4)
run("rmsprop with momentum", {"optimizer": "rmsprop", "smoothing": 0.9, "epsilon": 1e-4, "momentum": mu2},
    of(optim.RMSprop, alpha=0.9, eps=1e-4, momentum=mu2), 1e-4, 1e-2)
run("rmsprop, centred", {"optimizer": "rmsprop", "centered": True, "epsilon": 1e-3},
    of(optim.RMSprop, centered=True, eps=1e-3), 1e-4)
run("rmsprop, centred, with momentum",
    {"optimizer": "rmsprop", "smoothing": 0.9, "epsilon": 1e-3, "momentum": mu2, "centered": True},
    of(optim.RMSprop, alpha=0.9, eps=1e-3, momentum=mu2, centered=True), 1e-4, 1e-2)
run("adagrad", {"optimizer": "adagrad"}, of(optim.Adagrad), 0.01)
run("adagrad, slower", {"optimizer": "adagrad", "learningRateDecay": 0.01, "initialAccumulator": 0.125},
    of(optim.Adagrad, lr_decay=0.01, initial_accumulator_value=0.125), 0.02, 1e-2)
run("lion", {"optimizer": "lion"}, lion(0.9, 0.99), 1e-4)
run("lion with decay", {"optimizer": "lion", "beta1": 0.95, "beta2": 0.98}, lion(0.95, 0.98), 5e-5, 0.5)
run("lars", {"optimizer": "lars", "momentum": mu, "trustCoefficient": single(0.01)}, lars(mu, single(0.01)), 0.02, 1e-3)
run("lamb", {"optimizer": "lamb"}, lamb(0.9, 0.999, 1e-6), 2e-4, 0.01)
run("lamb, other betas", {"optimizer": "lamb", "beta1": 0.5, "beta2": 0.99, "epsilon": 1e-3}, lamb(0.5, 0.99, 1e-3),
    2e-4)
run("muon", {"optimizer": "muon"}, muon(single(0.95), True, 5, True), 1e-4, 0.1)
run("muon, original", {"optimizer": "muon", "momentum": mu, "nesterov": False, "iterations": 3, "matchAdam": False,
    "groups": [{"patterns": ["linear1.weight"], "fallback": True}]},
    muon(mu, False, 3, False, ["linear1.weight"]), 5e-5, 0.01)
run("lookahead, sgd", {"optimizer": "sgd", "momentum": mu, "lookahead": {"k": 5, "alpha": 0.5}},
    lookahead(sgd(mu), 5, 0.5), 0.02, 1e-3)
run("lookahead, lamb", {"optimizer": "lamb", "lookahead": {"k": 7, "alpha": single(0.8)}},
    lookahead(lamb(0.9, 0.999, 1e-6), 7, single(0.8)), 2e-4, 0.01)
table.write()
