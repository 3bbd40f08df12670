using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The check of trajectories is itself checked: each way to spoil an optimiser or running statistics must be
/// found.</summary>
public sealed class TrajectoryCanaryTests
{
    private static readonly Sgd s_sgd = new(0.5f, 0.25f, nesterov: true);

    private static readonly IEnumerable<TestCaseData> Faults =
    [
        Fault("no decay in the fused step", s_sgd, spec => spec.KeepGradients ? spec
            : spec with { Optimizer = new Sgd(0.5f, 0, nesterov: true) { Groups = spec.Optimizer.Groups } }),
        Fault("decay of biases in the fused step only", s_sgd, spec => spec.KeepGradients ? spec
            : spec with { Optimizer = WithoutDecayOfItsOwn(spec.Optimizer) }),
        Fault("biases do not decay in the fused step", new Sgd(weightDecay: 1e-4f)
            { Groups = [new("*.bias") { WeightDecay = 1e-4f }] }, spec => spec.KeepGradients ? spec
            : spec with { Optimizer = spec.Optimizer with { Groups = [new("*.bias") { WeightDecay = 0 }] } }),
        Fault("excluded parameters decay", s_sgd, spec => spec with
            { Optimizer = WithoutDecayOfItsOwn(spec.Optimizer) }),
        Fault("the rate of a group is ignored", s_sgd, spec => spec with
        {
            Optimizer = spec.Optimizer with
            {
                Groups = [.. spec.Optimizer.Groups.Select(group => group with { LearningRateFactor = 1 })],
            },
        }),
        Fault("a frozen parameter moves", s_sgd, spec => spec with
        {
            Optimizer = spec.Optimizer with
            {
                Groups = [.. spec.Optimizer.Groups.Select(group => group with { Frozen = false })],
            },
        }),
        Fault("Nesterov is ignored", s_sgd, spec => Ruled(spec, new Sgd(0.5f, 0.25f))),
        Fault("momentum is dampened", s_sgd, spec => Ruled(spec, new SpoiltSgd(Spoilt.Dampening))),
        Fault("the decay is missing", s_sgd, spec => Ruled(spec, new SpoiltSgd(Spoilt.NoDecay))),
        Fault("the velocity is that of the step before", s_sgd, spec => Ruled(spec, new SpoiltSgd(Spoilt.Stale))),
        Fault("the velocity starts anew after a load", s_sgd, spec => Ruled(spec, new SpoiltSgd(Spoilt.Forgets))),
        Fault("one velocity for all values of a bias", s_sgd, spec => Ruled(spec, new SharedVelocity())),
        Fault("the decay is added after the momentum", s_sgd, spec => Ruled(spec, new SpoiltSgd(Spoilt.LateDecay))),
        Fault("beta 2 for beta 1", new Adam(), spec => Ruled(spec, new Adam(0.999, 0.999))),
        Fault("Adam counts the steps anew after a load", new Adam(), spec => Ruled(spec, new SpoiltAdam(5))),
        Fault("Adam counts from 2", new Adam(), spec => Ruled(spec, new SpoiltAdam(-1))),
        Fault("Adam's decay in AdamW", new AdamW(), spec => Ruled(spec, new Adam(weightDecay: 0.01f))),
        Fault("another trust coefficient", new Lars(), spec => Ruled(spec, new Lars(trustCoefficient: 0.00101f))),
    ];

    private enum Spoilt
    {
        Nothing,
        Dampening,
        NoDecay,
        Stale,
        Forgets,
        LateDecay,
    }

    public enum NormFault
    {
        None,
        BiasedVarianceInTheAverage,
        UnbiasedVarianceInTheOutput,
        MomentumOfATenth,
        VarianceOfOneValue,
        SumsOfAFullBatch,
    }

    [TestCaseSource(nameof(Faults))]
    public void ASpoiltOptimizerIsCaught(Optimizer optimizer, Func<TrainingSpec, TrainingSpec> spoil)
    {
        using var managed = new ManagedBackend();
        using var spoilt = new SpoiltBackend(managed, graph => graph, spoil);
        GradientReport report = GradientCheck.Run(optimizer, [spoilt]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        TestContext.Out.WriteLine(report.Worst);
    }

    [Test]
    public void TheSameRuleWrittenElsewhereIsNotSpoilt()
    {
        using var managed = new ManagedBackend();
        using var same = new SpoiltBackend(managed, graph => graph, spec => Ruled(spec, new SpoiltSgd(Spoilt.Nothing)));
        Reports.AssertPasses(GradientCheck.Run(s_sgd, [same]));
    }

    [Test]
    public void SpoiltRunningStatisticsAreCaught([Values] NormFault fault)
    {
        using var managed = new ManagedBackend();
        using var spoilt = new SpoiltBackend(managed, graph => Sequential.Of(graph.Input.Shape,
            new SpoiltNorm((BatchNorm2d)graph.LayerNodes.Single().Layer!, fault)), spec => spec);
        GradientReport report = GradientCheck.Run(new BatchNorm2d(0.5f), [new Shape(5, 4, 2)], [spoilt],
            Reports.Options(CheckModes.Trajectories, 4));
        Assert.That(report.Verdict, Is.EqualTo(fault == NormFault.None ? Verdict.Pass : Verdict.Fail),
            report.ToString);
    }

    private static TestCaseData Fault(string name, Optimizer optimizer, Func<TrainingSpec, TrainingSpec> spoil)
        => new TestCaseData(optimizer, spoil).SetArgDisplayNames(name);

    private static TrainingSpec Ruled(TrainingSpec spec, Optimizer optimizer)
        => spec with { Optimizer = optimizer with { Groups = spec.Optimizer.Groups } };

    private static Optimizer WithoutDecayOfItsOwn(Optimizer optimizer) => optimizer with
    {
        Groups = [.. optimizer.Groups.Select(group => group with { WeightDecay = null })],
    };

    private sealed class SpoiltBackend(IBackend inner, Func<Graph, Graph> spoil,
        Func<TrainingSpec, TrainingSpec> spoilSpec) : IBackend
    {
        public BackendInfo Info => inner.Info;

        public IExecutable Compile(Graph graph, TrainingSpec spec) => inner.Compile(spoil(graph), spoilSpec(spec));

        public IExecutable CompileInference(Graph graph, int batchSize)
            => inner.CompileInference(spoil(graph), batchSize);

        public void Dispose()
        {
        }
    }

    // Nesterov momentum of 1/2 with a decay, with a fault.
    private sealed record SpoiltSgd(Spoilt Fault) : ElementwiseOptimizer(0.25f)
    {
        private const long FirstAfterLoading = 6;

        public override IReadOnlyList<string> StateNames => ["momentum_buffer"];

        public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        {
            T rate = T.CreateChecked(context.LearningRate), half = T.CreateChecked(0.5);
            T decay = T.CreateChecked(Fault == Spoilt.NoDecay ? 0 : context.WeightDecay);
            Span<T> v = state[0];
            for (int i = 0; i < w.Length; i++)
            {
                T before = Fault == Spoilt.Forgets && context.Step == FirstAfterLoading ? T.Zero : v[i];
                T change = Fault == Spoilt.LateDecay ? g[i] : g[i] + decay * w[i];
                v[i] = half * before + (Fault == Spoilt.Dampening ? half * change : change);
                T step = change + half * (Fault == Spoilt.Stale ? before : v[i]);
                w[i] -= rate * (Fault == Spoilt.LateDecay ? step + decay * w[i] : step);
            }
        }
    }

    private sealed record SharedVelocity() : WholeParameterOptimizer(0.25f)
    {
        public override IReadOnlyList<string> StateNames => ["momentum_buffer"];

        public override void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
            StateSpans<T> state)
        {
            var rule = new Sgd(0.5f, WeightDecay, nesterov: true);
            if (parameter.Role == ParameterRole.Bias)
                state[0].Fill(state[0][0]);
            rule.Update(context, g, w, state);
        }
    }

    private sealed record SpoiltAdam(long After) : ElementwiseOptimizer
    {
        public override IReadOnlyList<string> StateNames => new Adam().StateNames;

        public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
            => new Adam().Update(context with
            {
                Step = context.Step > After ? context.Step - After : context.Step,
            }, g, w, state);
    }

    private sealed record SpoiltNorm(BatchNorm2d Norm, NormFault Fault) : Layer
    {
        private const int FullBatch = 4;

        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Norm.Infer(inputs);

        public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
            => Norm.Parameters(inputs);

        public override BackwardReads BackwardReads => Norm.BackwardReads;

        public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs)
            => Norm.SavedLength(batch, inputs);

        public override void Forward<T>(in Frame<T> f)
        {
            T[] mean = f.W(2).ToArray(), variance = f.W(3).ToArray();
            Norm.Forward(f);
            T count = T.CreateChecked(f.N * f.XShape(0).Area), fewer = count - T.One;
            T full = T.CreateChecked(FullBatch * f.XShape(0).Area), half = T.CreateChecked(0.5);
            T tenth = T.CreateChecked(0.1f);
            for (int c = 0; c < mean.Length; c++)
            {
                T ofBatch = (f.W(3)[c] - half * variance[c]) / half, meanOfBatch = (f.W(2)[c] - half * mean[c]) / half;
                switch (Fault)
                {
                    case NormFault.BiasedVarianceInTheAverage when fewer > T.Zero:
                        f.W(3)[c] = half * variance[c] + half * (ofBatch * fewer / count);
                        break;
                    case NormFault.MomentumOfATenth:
                        f.W(2)[c] = (T.One - tenth) * mean[c] + tenth * meanOfBatch;
                        break;
                    case NormFault.VarianceOfOneValue when fewer == T.Zero:
                        f.W(3)[c] = half * variance[c];
                        break;
                    case NormFault.SumsOfAFullBatch:
                        f.W(2)[c] = half * mean[c] + half * (meanOfBatch * count / full);
                        break;
                }
            }
            for (int i = 0; Fault == NormFault.UnbiasedVarianceInTheOutput && i < f.Y.Length; i++)
            {
                T shift = f.W(1)[i / f.YShape.Area % f.YShape.C];
                f.Y[i] = (f.Y[i] - shift) * T.Sqrt(fewer / count) + shift;
            }
        }

        public override void Backward<T>(in Frame<T> f) => Norm.Backward(f);
    }
}
