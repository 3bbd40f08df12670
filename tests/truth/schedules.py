"""Learning rates of schedules over hundreds of steps, from torch.optim.lr_scheduler."""

import torch
from truth import Table

INITIAL, STEPS, PER_EPOCH = 0.3, 360, 12
EPOCHS = STEPS // PER_EPOCH

table = Table(__file__)


def rates(make, count, metrics=None):
    """The learning rates of `count` steps of a scheduler. metrics: what a scheduler is told after each of them."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=INITIAL)
    scheduler = make(optimizer)
    seen = []
    for step in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if metrics is None:
            scheduler.step()
        else:
            scheduler.step(metrics[step])
    return seen


def by_step(name, schedule, make):
    """A schedule whose scheduler is called after every step."""
    table.add(name, schedule=schedule, initial=INITIAL, perEpoch=PER_EPOCH, rates=rates(make, STEPS))


def by_epoch(name, schedule, make, metrics=None):
    """A schedule whose scheduler is called after every epoch."""
    of_epochs = rates(make, EPOCHS, metrics)
    table.add(name, schedule=schedule, initial=INITIAL, perEpoch=PER_EPOCH, metrics=metrics,
        rates=[of_epochs[step // PER_EPOCH] for step in range(STEPS)])


lr = torch.optim.lr_scheduler
steps = {"unit": "steps"}
by_epoch("step", {"schedule": "step", "size": 7}, lambda o: lr.StepLR(o, 7))
by_step("step, in steps", {"schedule": "step", "size": 50, "factor": 0.5, **steps}, lambda o: lr.StepLR(o, 50, 0.5))
by_epoch("multistep", {"schedule": "multistep", "milestones": [5, 6, 20]}, lambda o: lr.MultiStepLR(o, [5, 6, 20]))
by_step("multistep, in steps", {"schedule": "multistep", "milestones": [1, 77, 300], "factor": 0.3, **steps},
    lambda o: lr.MultiStepLR(o, [1, 77, 300], 0.3))
by_epoch("exponential", {"schedule": "exponential"}, lambda o: lr.ExponentialLR(o, 0.9))
by_step("exponential, in steps", {"schedule": "exponential", "factor": 0.99, **steps},
    lambda o: lr.ExponentialLR(o, 0.99))
by_step("polynomial", {"schedule": "polynomial", "power": 2.0}, lambda o: lr.PolynomialLR(o, STEPS, 2.0))
by_step("polynomial, shorter", {"schedule": "polynomial", "length": 20}, lambda o: lr.PolynomialLR(o, 20 * PER_EPOCH))
by_step("linear", {"schedule": "linear", "length": 5}, lambda o: lr.LinearLR(o, total_iters=5 * PER_EPOCH))
by_step("linear, down", {"schedule": "linear", "start": 1.0, "end": 0.125, "length": 90, **steps},
    lambda o: lr.LinearLR(o, 1.0, 0.125, 90))
by_step("cosine", {"schedule": "cosine"}, lambda o: lr.CosineAnnealingLR(o, STEPS))
by_step("cosine with a minimum", {"schedule": "cosine", "minimum": 0.01},
    lambda o: lr.CosineAnnealingLR(o, STEPS, 0.01))
by_step("cosine with restarts", {"schedule": "cosinerestarts", "first": 5, "minimum": 0.01},
    lambda o: lr.CosineAnnealingWarmRestarts(o, 5 * PER_EPOCH, eta_min=0.01))
by_step("cosine with longer restarts", {"schedule": "cosinerestarts", "first": 40, "multiplier": 2, **steps},
    lambda o: lr.CosineAnnealingWarmRestarts(o, 40, 2))
by_step("one cycle", {"schedule": "onecycle"}, lambda o: lr.OneCycleLR(o, INITIAL, STEPS))
by_step("one cycle, lines", {"schedule": "onecycle", "rise": 0.25, "startDivisor": 10.0, "endDivisor": 100.0,
    "linear": True}, lambda o: lr.OneCycleLR(o, INITIAL, STEPS, None, None, 0.25, "linear", div_factor=10.0,
        final_div_factor=100.0))
by_step("one cycle, three phases", {"schedule": "onecycle", "rise": 0.4, "threePhases": True},
    lambda o: lr.OneCycleLR(o, INITIAL, STEPS, pct_start=0.4, three_phase=True))
by_step("warm-up and cosine", {"schedule": "sequential", "milestones": [5], "schedules": [
        {"schedule": "linear", "start": 0.01, "end": 1.0, "length": 5}, {"schedule": "cosine"}]},
    lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.01, 1.0, 60), lr.CosineAnnealingLR(o, 300)], [60]))
by_step("three in a row", {"schedule": "sequential", "milestones": [50, 130], **steps, "schedules": [
        {"schedule": "linear", "start": 0.1, "end": 1.0, "length": 50, **steps},
        {"schedule": "exponential", "factor": 0.98, **steps}, {"schedule": "step", "size": 40, **steps}]},
    lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.1, 1.0, 50), lr.ExponentialLR(o, 0.98), lr.StepLR(o, 40)],
        [50, 130]))

losses = [1.0, 0.9, 0.9, 0.95, 0.8, 0.7999, 0.79, 0.81, 0.82, 0.8, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.5, 0.5,
    0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.49, 0.48, 0.48, 0.48, 0.48]
accuracies = [round(1 - loss, 4) for loss in losses]
by_epoch("plateau", {"schedule": "plateau", "patience": 2}, lambda o: lr.ReduceLROnPlateau(o, patience=2), losses)
by_epoch("plateau with a cooldown", {"schedule": "plateau", "patience": 1, "cooldown": 3, "factor": 0.5,
    "threshold": 0.01, "absolute": True, "minimum": 0.02},
    lambda o: lr.ReduceLROnPlateau(o, factor=0.5, patience=1, threshold=0.01, threshold_mode="abs", cooldown=3,
        min_lr=0.02), losses)
by_epoch("plateau of the accuracy", {"schedule": "plateau", "metric": "accuracy", "patience": 0, "factor": 0.7},
    lambda o: lr.ReduceLROnPlateau(o, mode="max", factor=0.7, patience=0), accuracies)
table.write()
