namespace ConvNet.Tests;

/// <summary>An optimiser with its rule written down once more, to be followed in double precision.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Optimizer">The optimiser.</param>
/// <param name="LearningRate">A usual learning rate.</param>
/// <param name="States">Values of state for each value.</param>
/// <param name="Formula">The rule.</param>
internal sealed record OptimizerCase(string Name, Optimizer Optimizer, float LearningRate, int States,
    OptimizerCase.Rule Formula)
{
    /// <summary>Whether torch has an optimiser with this rule.</summary>
    public bool TorchHasIt { get; init; } = true;

    /// <summary>Moves a whole parameter.</summary>
    internal delegate void Rule(UpdateContext step, Bounded[] g, Bounded[] w, Bounded[][] state);

    /// <summary>Moves one value; returns it.</summary>
    internal delegate Bounded ElementRule(UpdateContext step, Bounded g, Bounded w, Span<Bounded> state);

    public override string ToString() => Name;

    /// <summary>An elementwise rule.</summary>
    internal static OptimizerCase Elementwise(string name, Optimizer optimizer, float rate, int states,
        ElementRule rule)
        => new(name, optimizer, rate, states, (step, g, w, state) =>
        {
            var own = new Bounded[states];
            for (int i = 0; i < w.Length; i++)
            {
                for (int s = 0; s < states; s++)
                    own[s] = state[s][i];
                w[i] = rule(step, g[i], w[i], own);
                for (int s = 0; s < states; s++)
                    state[s][i] = own[s];
            }
        });
}

/// <summary>Every optimiser, each with its options: one line each.</summary>
internal static class OptimizerCases
{
    public static IEnumerable<OptimizerCase> All =>
    [
        OptimizerCase.Elementwise("sgd", new Sgd(), 0.01f, 0, Sgd(0, false)),
        OptimizerCase.Elementwise("sgd with momentum", new Sgd(0.9f, 1e-3f), 0.01f, 1, Sgd(0.9f, false)),
        OptimizerCase.Elementwise("sgd, nesterov", new Sgd(0.75f, 0.01f, nesterov: true), 0.01f, 1, Sgd(0.75f, true)),
        OptimizerCase.Elementwise("sgd, dampened", new Sgd(0.9f, 1e-3f, dampening: 0.25f), 0.01f, 1,
            Sgd(0.9f, false, 0.25)),
        OptimizerCase.Elementwise("adam", new Adam(), 1e-3f, 2, Adam(0.9, 0.999, 1e-8)),
        OptimizerCase.Elementwise("adam with decay", new Adam(0.5, 0.99, 1e-4, 1e-4f), 1e-3f, 2, Adam(0.5, 0.99, 1e-4)),
        OptimizerCase.Elementwise("amsgrad", new Adam(amsGrad: true), 1e-3f, 3, Adam(0.9, 0.999, 1e-8, amsGrad: true)),
        OptimizerCase.Elementwise("adamw", new AdamW(), 1e-3f, 2, AdamW(amsGrad: false)),
        OptimizerCase.Elementwise("adamw, amsgrad", new AdamW(amsGrad: true), 1e-3f, 3, AdamW(amsGrad: true)),
        OptimizerCase.Elementwise("nadam", new NAdam(epsilon: 1e-4, weightDecay: 1e-4f), 1e-3f, 2,
            NAdam(0.004, 1e-4)),
        OptimizerCase.Elementwise("nadam, decoupled", new NAdam(weightDecay: 0.01f, momentumDecay: 0.01,
            decoupledWeightDecay: true), 1e-3f, 2, (step, g, w, state) => NAdam(0.01, 1e-8)(
                step with { WeightDecay = 0 }, g, w * Bounded.Of(1 - ((double)step.LearningRate * step.WeightDecay)),
                state)),
        OptimizerCase.Elementwise("rmsprop", new RmsProp(), 1e-3f, 1, RmsProp(0.99, 0, false)),
        OptimizerCase.Elementwise("rmsprop with momentum", new RmsProp(0.9, 1e-3, 1e-3f, 0.5f), 1e-3f, 2,
            RmsProp(0.9, 0.5f, false, 1e-3)),
        OptimizerCase.Elementwise("rmsprop, centred", new RmsProp(0.9, centered: true), 1e-3f, 2,
            RmsProp(0.9, 0, true)),
        OptimizerCase.Elementwise("rmsprop, centred, with momentum", new RmsProp(0.9, 1e-3, 1e-3f, 0.5f, true), 1e-3f,
            3, RmsProp(0.9, 0.5f, true, 1e-3)),
        OptimizerCase.Elementwise("adagrad", new Adagrad(), 0.01f, 1, Adagrad(0, 0)),
        OptimizerCase.Elementwise("adagrad, slower", new Adagrad(0.01, 1e-3f, 0.125f), 0.01f, 1,
            Adagrad(0.01, 0.125f)),
        OptimizerCase.Elementwise("lion", new Lion(weightDecay: 0.1f), 1e-3f, 1, Lion) with { TorchHasIt = false },
        new("lamb", new Lamb(0.9, 0.99, 1e-6, 0.01f), 1e-3f, 2, Lamb) { TorchHasIt = false },
        // A vector is updated by the fallback rule.
        OptimizerCase.Elementwise("muon", new Muon(weightDecay: 0.01f), 1e-3f, 2, AdamW(amsGrad: false)) with
        {
            TorchHasIt = false,
        },
        new("lookahead, sgd", new Lookahead(new Sgd(0.9f, 1e-3f), 5, 0.75f), 0.01f, 2,
            Lookahead(0.75f, (step, g, w, state) => Each(w, i => Sgd(0.9f, false)(step, g[i], w[i],
                state[0].AsSpan(i, 1)))))
        {
            TorchHasIt = false,
        },
        new("lookahead, lamb", new Lookahead(new Lamb(0.9, 0.99, 1e-6, 0.01f)), 1e-3f, 3, Lookahead(0.5f, Lamb))
        {
            TorchHasIt = false,
        },
        new("lars", new Lars(0.9f, 1e-3f, 0.01f), 0.02f, 1, Lars) { TorchHasIt = false },
    ];

    private static void Lars(UpdateContext step, Bounded[] g, Bounded[] w, Bounded[][] state)
    {
        Bounded Norm(Bounded[] values) => Bounded.Sqrt(values.Aggregate(default(Bounded), (sum, v) => sum + (v * v)));
        Bounded norm = Norm(w), decay = Bounded.Exact(step.WeightDecay);
        Bounded rate = Bounded.Exact(step.LearningRate) * Bounded.Of(0.01) * norm / (Norm(g) + (decay * norm));
        for (int i = 0; i < w.Length; i++)
        {
            state[0][i] = (Bounded.Exact(0.9f) * state[0][i]) + (rate * (g[i] + (decay * w[i])));
            w[i] -= state[0][i];
        }
    }

    private static void Each(Bounded[] w, Func<int, Bounded> rule)
    {
        for (int i = 0; i < w.Length; i++)
            w[i] = rule(i);
    }

    // As in the paper, with the slow weights as the last state: after every fifth step w = φ = (1 − α)φ + αw.
    private static OptimizerCase.Rule Lookahead(float alpha, OptimizerCase.Rule inner) => (step, g, w, state) =>
    {
        Bounded[] slow = state[^1];
        if (step.Step == 1)
            w.CopyTo(slow, 0);
        inner(step, g, w, state);
        for (int i = 0; step.Step % 5 == 0 && i < w.Length; i++)
            w[i] = slow[i] = (Bounded.Exact(1 - alpha) * slow[i]) + (Bounded.Exact(alpha) * w[i]);
    };

    private static void Lamb(UpdateContext step, Bounded[] g, Bounded[] w, Bounded[][] state)
    {
        Bounded Norm(Bounded[] values) => Bounded.Sqrt(values.Aggregate(default(Bounded), (sum, v) => sum + (v * v)));
        var u = new Bounded[w.Length];
        for (int i = 0; i < w.Length; i++)
        {
            Span<Bounded> own = [state[0][i], state[1][i]];
            u[i] = Moments(0.9, 0.99, 1e-6)(step, g[i], own) + (Bounded.Exact(step.WeightDecay) * w[i]);
            (state[0][i], state[1][i]) = (own[0], own[1]);
        }
        Bounded rate = Bounded.Exact(step.LearningRate) * Norm(w) / Norm(u);
        for (int i = 0; i < w.Length; i++)
            w[i] -= rate * u[i];
    }

    private static Bounded Lion(UpdateContext step, Bounded g, Bounded w, Span<Bounded> state)
    {
        Bounded direction = (Bounded.Of(0.9) * state[0]) + (Bounded.Of(1 - 0.9) * g);
        state[0] = (Bounded.Of(0.99) * state[0]) + (Bounded.Of(1 - 0.99) * g);
        Bounded kept = w * Bounded.Of(1 - ((double)step.LearningRate * step.WeightDecay));
        return kept - Bounded.Exact(Math.Sign(direction.Value) * step.LearningRate);
    }

    private static OptimizerCase.ElementRule AdamW(bool amsGrad) => (step, g, w, state) =>
    {
        Bounded kept = w * Bounded.Of(1 - ((double)step.LearningRate * step.WeightDecay));
        return Adam(0.9, 0.999, 1e-8, amsGrad)(step with { WeightDecay = 0 }, g, kept, state);
    };

    private static OptimizerCase.ElementRule Adam(double beta1, double beta2, double epsilon, bool amsGrad = false)
        => (step, g, w, state) =>
    {
        g += Bounded.Exact(step.WeightDecay) * w;
        return w - (Bounded.Exact(step.LearningRate) * Moments(beta1, beta2, epsilon, amsGrad)(step, g, state));
    };

    private delegate Bounded MomentRule(UpdateContext step, Bounded g, Span<Bounded> state);

    // The unbiased mean over the root of the unbiased mean square, or of the largest one.
    private static MomentRule Moments(double beta1, double beta2, double epsilon, bool amsGrad = false)
        => (step, g, state) =>
    {
        state[0] = (Bounded.Of(beta1) * state[0]) + (Bounded.Of(1 - beta1) * g);
        state[1] = (Bounded.Of(beta2) * state[1]) + (Bounded.Of(1 - beta2) * g * g);
        if (amsGrad)
            state[2] = Bounded.Max(state[2], state[1]);
        Bounded unbias = Bounded.Of(1 - Math.Pow(beta1, step.Step));
        Bounded root = Bounded.Of(Math.Sqrt(1 - Math.Pow(beta2, step.Step)));
        return state[0] / unbias / ((Bounded.Sqrt(state[amsGrad ? 2 : 1]) / root) + Bounded.Of(epsilon));
    };

    private static OptimizerCase.ElementRule NAdam(double momentumDecay, double epsilon)
    {
        double Momentum(long step) => 0.9 * (1 - (0.5 * Math.Pow(0.96, step * momentumDecay)));
        return (step, g, w, state) =>
        {
            double product = 1;
            for (long t = 1; t <= step.Step; t++)
                product *= Momentum(t);
            double next = Momentum(step.Step + 1), rate = step.LearningRate;
            g += Bounded.Exact(step.WeightDecay) * w;
            state[0] = (Bounded.Of(0.9) * state[0]) + (Bounded.Of(1 - 0.9) * g);
            state[1] = (Bounded.Of(0.999) * state[1]) + (Bounded.Of(1 - 0.999) * g * g);
            Bounded root = Bounded.Of(Math.Sqrt(1 - Math.Pow(0.999, step.Step)));
            Bounded divisor = (Bounded.Sqrt(state[1]) / root) + Bounded.Of(epsilon);
            w -= Bounded.Of(rate * (1 - Momentum(step.Step)) / (1 - product)) * g / divisor;
            return w - (Bounded.Of(rate * next / (1 - (product * next))) * state[0] / divisor);
        };
    }

    private static OptimizerCase.ElementRule RmsProp(double smoothing, float momentum, bool centered,
        double epsilon = 1e-8) => (step, g, w, state) =>
    {
        g += Bounded.Exact(step.WeightDecay) * w;
        state[0] = (Bounded.Of(smoothing) * state[0]) + (Bounded.Of(1 - smoothing) * g * g);
        Bounded square = state[0];
        if (centered)
        {
            state[^1] = (Bounded.Of(smoothing) * state[^1]) + (Bounded.Of(1 - smoothing) * g);
            square -= state[^1] * state[^1];
        }
        Bounded change = g / (Bounded.Sqrt(square) + Bounded.Of(epsilon));
        if (momentum > 0)
            change = state[1] = (Bounded.Exact(momentum) * state[1]) + change;
        return w - (Bounded.Exact(step.LearningRate) * change);
    };

    private static OptimizerCase.ElementRule Adagrad(double rateDecay, float initial) => (step, g, w, state) =>
    {
        g += Bounded.Exact(step.WeightDecay) * w;
        state[0] += g * g;
        Bounded rate = Bounded.Of(step.LearningRate / (1 + ((step.Step - 1) * rateDecay)));
        return w - (rate * g / (Bounded.Sqrt(Bounded.Exact(initial) + state[0]) + Bounded.Of(1e-10)));
    };

    private static OptimizerCase.ElementRule Sgd(float momentum, bool nesterov, double dampening = 0)
        => (step, g, w, state) =>
    {
        Bounded mu = Bounded.Exact(momentum), rate = Bounded.Exact(step.LearningRate);
        g += Bounded.Exact(step.WeightDecay) * w;
        if (momentum == 0)
            return w - (rate * g);
        state[0] = (mu * state[0]) + (dampening == 0 || step.Step == 1 ? g : Bounded.Of(1 - dampening) * g);
        return w - (rate * (nesterov ? g + (mu * state[0]) : state[0]));
    };
}
