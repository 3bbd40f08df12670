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
        OptimizerCase.Elementwise("adam", new Adam(), 1e-3f, 2, Adam(0.9, 0.999, 1e-8)),
        OptimizerCase.Elementwise("adam with decay", new Adam(0.5, 0.99, 1e-4, 1e-4f), 1e-3f, 2, Adam(0.5, 0.99, 1e-4)),
        OptimizerCase.Elementwise("adamw", new AdamW(), 1e-3f, 2, AdamW),
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

    private static Bounded AdamW(UpdateContext step, Bounded g, Bounded w, Span<Bounded> state)
    {
        Bounded kept = w * Bounded.Of(1 - ((double)step.LearningRate * step.WeightDecay));
        return Adam(0.9, 0.999, 1e-8)(step with { WeightDecay = 0 }, g, kept, state);
    }

    private static OptimizerCase.ElementRule Adam(double beta1, double beta2, double epsilon) => (step, g, w, state) =>
    {
        g += Bounded.Exact(step.WeightDecay) * w;
        state[0] = (Bounded.Of(beta1) * state[0]) + (Bounded.Of(1 - beta1) * g);
        state[1] = (Bounded.Of(beta2) * state[1]) + (Bounded.Of(1 - beta2) * g * g);
        Bounded rate = Bounded.Of(step.LearningRate / (1 - Math.Pow(beta1, step.Step)));
        Bounded root = Bounded.Of(Math.Sqrt(1 - Math.Pow(beta2, step.Step)));
        return w - (rate * state[0] / ((Bounded.Sqrt(state[1]) / root) + Bounded.Of(epsilon)));
    };

    private static OptimizerCase.ElementRule Sgd(float momentum, bool nesterov) => (step, g, w, state) =>
    {
        Bounded mu = Bounded.Exact(momentum), rate = Bounded.Exact(step.LearningRate);
        g += Bounded.Exact(step.WeightDecay) * w;
        if (momentum == 0)
            return w - (rate * g);
        state[0] = (mu * state[0]) + g;
        return w - (rate * (nesterov ? g + (mu * state[0]) : state[0]));
    };
}
