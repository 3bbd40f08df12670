namespace ConvNet.Tests;

/// <summary>An elementwise rule of the user's own: steps of one size, in the direction of a running sum.</summary>
internal sealed record SignOfSum(float Decay = 0) : ElementwiseOptimizer(Decay)
{
    public override IReadOnlyList<string> StateNames => ["sum", "steps"];

    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        T rate = T.CreateChecked(context.LearningRate), decay = T.CreateChecked(context.WeightDecay);
        Span<T> sum = state[0], steps = state[1];
        for (int i = 0; i < w.Length; i++)
        {
            sum[i] = sum[i] / T.CreateChecked(2) + g[i];
            steps[i] += T.Abs(sum[i]);
            T sign = sum[i] > T.Zero ? T.One : sum[i] < T.Zero ? -T.One : T.Zero;
            w[i] -= rate * (sign / T.CreateChecked(context.Step) + decay * w[i]);
        }
    }
}

/// <summary>A rule of the user's own over whole parameters: the largest running sum makes a step of 1.</summary>
internal sealed record LargestFirst : WholeParameterOptimizer
{
    public override IReadOnlyList<string> StateNames => ["sum", "first"];

    public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
    {
        Span<T> sum = state[0], first = state[1];
        T largest = T.Zero;
        for (int i = 0; i < w.Length; i++)
        {
            sum[i] += g[i];
            largest = T.Max(largest, T.Abs(sum[i]));
            // The order of the dimensions shows.
            first[i] = T.CreateChecked(i % parameter.Dimensions[^1]);
        }
        for (int i = 0; largest > T.Zero && i < w.Length; i++)
            w[i] -= T.CreateChecked(context.LearningRate) * (sum[i] / largest + first[i]);
    }
}

/// <summary>A rule that is no elementwise one: it moves what is zero.</summary>
internal sealed record MovesZeros : ElementwiseOptimizer
{
    public override IReadOnlyList<string> StateNames => [];

    public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
    {
        for (int i = 0; i < w.Length; i++)
            w[i] -= g[i] + T.CreateChecked(context.LearningRate);
    }
}
