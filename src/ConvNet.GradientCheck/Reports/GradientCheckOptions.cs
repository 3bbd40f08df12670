namespace ConvNet.GradientChecking;

/// <summary>The modes in which gradients are compared; see <see cref="GradientCheck"/>.</summary>
[Flags]
public enum CheckModes
{
    /// <summary>No comparison.</summary>
    None = 0,

    /// <summary>Compares layer by layer on integers small enough that float32 never rounds. The results must be equal
    /// bit for bit.</summary>
    Exact = 1,

    /// <summary>Compares layer by layer on real numbers with the double reference, within its error bound.</summary>
    Real = 2,

    /// <summary>Compares several layers together on integers, through one optimiser step. The results must be equal bit
    /// for bit.</summary>
    Segments = 4,

    /// <summary>Compares the whole network with a double run, within the distance expected of a float32 run.</summary>
    EndToEnd = 8,

    /// <summary>Compares the double reference with derivatives by dual numbers, which use the forward pass
    /// alone.</summary>
    ForwardMode = 16,

    /// <summary>Compares the updates of the optimiser and of running statistics over several steps: bit for bit where
    /// float32 does not round, within the error bound of the rule elsewhere.</summary>
    Trajectories = 32,

    /// <summary>Runs the plan that trains on real numbers and compares each operation with the double reference on the
    /// values that it read, within its error bound.</summary>
    PlanReal = 64,

    /// <summary>Runs the plan that trains on whole numbers, new ones for every operation. Results of operations that
    /// do not round must be equal bit for bit.</summary>
    PlanExact = 128,

    /// <summary>All modes.</summary>
    All = Exact | Real | Segments | EndToEnd | ForwardMode | PlanReal | PlanExact | Trajectories,
}

/// <summary>The distribution of the real numbers used in a check.</summary>
public enum RealValues
{
    /// <summary>Uniform, centred at 0.</summary>
    Uniform,

    /// <summary>Normal, with mean 0.</summary>
    Normal,

    /// <summary>Inputs as after a ReLU: half of them are 0, the others are the positive values of a normal
    /// distribution.</summary>
    Rectified,

    /// <summary>Values of very different magnitudes: uniform values times powers of two from 2⁻¹² to 1.</summary>
    Wide,
}

/// <summary>Options of a gradient check.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>The modes to run.</summary>
    public CheckModes Modes { get; init; } = CheckModes.All;

    /// <summary>The number of samples in a batch, 1 or more. A power of two keeps a mean over the batch
    /// exact.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int BatchSize
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"The batch size is {value}; it must be at least "
                + "1.");
    } = 4;

    /// <summary>The largest number of multiply-adds for which all results of a layer are compared in real-valued mode
    /// and in forward mode. Larger layers are compared on a sample of their results. Exact mode always compares
    /// all of them.</summary>
    public long MostTerms { get; init; } = 1 << 25;

    /// <summary>Cancels the check with an <see cref="OperationCanceledException"/> between two runs of a layer or of
    /// the network.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The training whose plan is checked: batch size, losses, optimiser and whether gradients are kept. Null
    /// trains with <see cref="BatchSize"/>, a loss on every output and <see cref="Sgd"/>.</summary>
    public TrainingSpec? Training { get; init; }

    /// <summary>The seed of all generated values.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The distribution of the real numbers when a layer is checked by itself.</summary>
    public RealValues Values { get; init; }

    /// <summary>The largest magnitude of the integers that a layer is given in exact mode, from 1 to 16.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1 or greater than 16.</exception>
    public int LargestInteger
    {
        get;
        init => field = value is >= 1 and <= 16
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"The largest integer is {value}; it must be "
                + "from 1 to 16.");
    } = 16;

    /// <summary>The parameters that are frozen: names such as <c>conv1.weight</c>, or <c>weight</c> for a single layer,
    /// in which <c>*</c> matches any characters and <c>?</c> one.</summary>
    /// <remarks>A frozen parameter has no gradient to compare; instead, a step must leave it as it is. A layer whose
    /// trainable parameters are all frozen runs as in inference, and its buffers must stay as they are.</remarks>
    public IReadOnlyList<string> Frozen { get; init; } = [];

    /// <summary>Returns a loss for each output that suits its shape.</summary>
    /// <remarks>If there are several, each has a different weight, so that a missing one is detected.</remarks>
    /// <param name="graph">The graph.</param>
    internal static Losses LossesFor(Graph graph)
    {
        static Loss LossFor(Shape output) => output is { IsVector: true, C: > 1 } ? new SoftmaxCrossEntropy()
            : new MeanSquaredError();
        IEnumerable<OutputLoss> losses = graph.Outputs.Select((output, i)
            => new OutputLoss(output.Name, LossFor(output.Shape), i == 0 ? 1 : 0.25f + i % 3));
        return Losses.Of([.. losses]);
    }

    /// <summary>Creates the optimiser of the checks, which freezes parameters.</summary>
    /// <param name="names">The names or patterns of the parameters.</param>
    internal static Sgd SgdFreezing(IReadOnlyList<string> names)
        => names.Count == 0 ? new Sgd() : new Sgd { Groups = [new ParameterGroup(names) { Frozen = true }] };

    /// <summary>Whether a parameter is frozen.</summary>
    internal bool Freezes(string name) => Frozen.Any(pattern => ParameterGroup.Matches(pattern, name));

    /// <summary>Whether a layer is frozen: it has trainable parameters, and all of them are frozen.</summary>
    /// <param name="trainable">The names of its trainable parameters.</param>
    internal bool FreezesLayer(IEnumerable<string> trainable) => trainable.Any() && trainable.All(Freezes);

    /// <summary>Returns the same options for a single layer of a graph.</summary>
    /// <param name="node">The node of the layer.</param>
    internal GradientCheckOptions For(Node node) => Frozen.Count == 0 ? this : this with
    {
        Frozen = [.. node.Parameters.Where(p => p.Trainable && Freezes(p.Name))
            .Select(p => p.Name[(node.Name.Length + 1)..])],
    };

    /// <summary>Returns the same options with the patterns that match a trainable parameter of a graph.</summary>
    /// <param name="graph">The graph.</param>
    internal GradientCheckOptions For(Graph graph)
    {
        bool Matches(string pattern)
            => graph.Parameters.Any(p => p.Trainable && ParameterGroup.Matches(pattern, p.Name));
        return this with
        {
            Frozen = [.. Frozen.Where(Matches)],
            Training = Training is null ? null : Training with
            {
                Optimizer = Training.Optimizer with
                {
                    Groups = [.. Training.Optimizer.Groups.Where(group => group.Patterns.Any(Matches))
                        .Select(group => new ParameterGroup(group.Patterns.Where(Matches))
                        {
                            LearningRateFactor = group.LearningRateFactor,
                            WeightDecay = group.WeightDecay,
                            Frozen = group.Frozen,
                        })],
                },
            },
        };
    }

    /// <summary>Returns the same options for another batch size.</summary>
    internal GradientCheckOptions WithBatch(int n) => this with
    {
        BatchSize = n,
        Training = Training is null ? null : Training with { BatchSize = n },
    };

    /// <summary>Returns the options that affect the outcome: all but <see cref="Cancellation"/>.</summary>
    public override string ToString() => RecordText.Of(nameof(GradientCheckOptions), (nameof(Modes), Modes),
        (nameof(BatchSize), BatchSize), (nameof(MostTerms), MostTerms), (nameof(Seed), Seed), (nameof(Values), Values),
        (nameof(LargestInteger), LargestInteger), (nameof(Frozen), Frozen), (nameof(Training), Training));
}
