using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>How the backward pass of a reference is made wrong.</summary>
public enum Spoiled
{
    /// <summary>The gradient has the wrong sign.</summary>
    Sign,

    /// <summary>The gradient is too large by a billionth.</summary>
    Factor,

    /// <summary>The largest element is left out.</summary>
    Element,

    /// <summary>The whole gradient is left out.</summary>
    Missing,

    /// <summary>Two elements are exchanged.</summary>
    Exchanged,
}

/// <summary>Dual numbers find a wrong backward pass in the reference itself, at every layer and every loss.</summary>
public sealed class ForwardModeCanaryTests
{
    private static IEnumerable<LayerDeclaration> Kinds => LayerSet.BuiltIn.Declarations;

    private static readonly Loss[] s_losses =
        [.. Loss.BuiltIn.Declarations.Select(declared => Loss.BuiltIn.Make(declared.Kind)),
            new SoftmaxCrossEntropy(PerPixel: true)];

    [Test]
    public void AWrongBackwardPassIsFound([ValueSource(nameof(Kinds))] LayerDeclaration kind, [Values] Spoiled how)
    {
        int found = 0;
        foreach (LayerExample example in kind.Examples)
        {
            int inputs = example.Inputs.Count;
            ParameterSpec[] specs = [.. example.Layer.Parameters([.. example.Inputs])];
            for (int tensor = 0; tensor < inputs + specs.Length; tensor++)
            {
                if (tensor >= inputs && !specs[tensor - inputs].Trainable)
                    continue;
                var layer = new WrongLayer(example.Layer, how, tensor, inputs);
                LayerReport report = GradientCheck.Run(layer, example.Inputs, [],
                    Contract.Reports.Options(CheckModes.ForwardMode, example.BatchSize)).Layers.Single();
                if (layer.At < 0)
                    continue;       // nothing in it to make wrong, such as two elements in a tensor of one
                found++;
                string name = tensor < inputs ? inputs == 1 ? "dx" : $"dx{tensor}"
                    : LayerReference.GradientName(specs[tensor - inputs]);
                TensorReport[] wrong = [.. report.Tensors.Where(t => t.Verdict == Verdict.Fail)];
                Assert.That(wrong.Select(t => t.Name), Is.EqualTo((string[])[name]), $"{example}, {report}");
                if (how == Spoiled.Element)
                    Assert.That((wrong[0].Index, wrong[0].Got), Is.EqualTo((layer.At, 0.0)), $"{example}, {report}");
            }
        }
        Assert.That(found, Is.Positive, "a canary for every kind of layer");
    }

    [Test]
    public void AWrongGradientOfALossIsFound([ValueSource(nameof(s_losses))] Loss loss, [Values] Spoiled how)
    {
        foreach (LayerReport report in GradientCheck.Run(new WrongLoss(loss, how), 5, [],
            Contract.Reports.Options(CheckModes.ForwardMode, 4)).Layers)
            Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail), $"{report}");
    }

    [Test]
    public void AGradientOfOneOfSeveralReadersThatIsWrongIsFoundInTheNetwork([Values] Spoiled how)
    {
        var graph = new Graph(new Shape(2, 5, 6));
        Node conv = graph.Add("conv", new Conv2d(3, 3, padding: 1), graph.Input);
        Node wrong = graph.Add("wrong", new WrongLayer(new Relu(), how, 0, 1), conv);
        graph.Add("sum", new Add(), wrong, graph.Add("gelu", new Gelu(), conv), conv);
        LayerReport network = GradientCheck.Run(graph, [],
            new GradientCheckOptions { Modes = CheckModes.ForwardMode }).Layers.Single(layer => layer.Kind == "graph");
        TensorReport tensor = network.Tensors.Single();
        Assert.That(tensor.Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(tensor.Name, Is.AnyOf("gradient of input input", "gradient of conv.weight",
            "gradient of conv.bias"));
        Assert.That(network.ToString(), Does.Contain("by dual numbers"));
    }

    [Test]
    public void AFaultThatOnlyTheWholeNetworkShowsShrinksToASmallNetwork()
    {
        Graph graph = Sequential.Of(new Shape(2, 5, 6), new Conv2d(3, 3, padding: 1), new Relu(), new LateFault(),
            new Flatten(), new Linear(4));
        var made = new GraphGradientCase(graph, new GradientCheckOptions { Modes = CheckModes.ForwardMode });
        GradientReport report = made.Run([]);
        Assert.That(report.Layers.Where(layer => layer.Verdict == Verdict.Fail).Select(layer => layer.Layer),
            Is.EqualTo((string[])["network"]));
        ShrunkFailure shrunk = ShrunkFailure.Of(made, report, [])!;
        Graph least = ((GraphGradientCase)shrunk.Case).Graph;
        Assert.That(least.LayerNodes.Count(), Is.LessThan(5));
        Assert.That(least.LayerNodes.Select(node => node.Layer), Does.Contain(new LateFault()));
    }

    // Returns the first index that is wrong; −1 if nothing can be made wrong.
    private static int Spoil<T>(Span<T> gradient, Spoiled how)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        int largest = 0;
        for (int i = 1; i < gradient.Length; i++)
            largest = T.Abs(gradient[i]) > T.Abs(gradient[largest]) ? i : largest;
        if (gradient[largest] == T.Zero || (how == Spoiled.Exchanged && gradient.Length == 1))
            return -1;
        switch (how)
        {
            case Spoiled.Sign:
                foreach (ref T g in gradient)
                    g = -g;
                break;
            case Spoiled.Factor:
                foreach (ref T g in gradient)
                    g *= T.CreateChecked(1 + 1e-9);
                break;
            case Spoiled.Element:
                gradient[largest] = T.Zero;
                break;
            case Spoiled.Missing:
                gradient.Clear();
                break;
            default:
                int other = 0;
                while (gradient[other] == gradient[largest])
                {
                    if (++other == gradient.Length)
                        return -1;
                }
                (gradient[largest], gradient[other]) = (gradient[other], gradient[largest]);
                break;
        }
        return largest;
    }

    /// <summary>A layer of the library with a wrong backward pass.</summary>
    /// <param name="Inner">The layer.</param>
    /// <param name="How">What is wrong.</param>
    /// <param name="Tensor">Whose gradient is wrong: an input or, after the inputs, a parameter.</param>
    /// <param name="InputCount">The number of inputs.</param>
    private sealed record WrongLayer(Layer Inner, Spoiled How, int Tensor, int InputCount) : Layer
    {
        /// <summary>The index of an element that was made wrong; −1 if there is none.</summary>
        public int At { get; private set; } = -1;

        public override string Kind => Inner.Kind;

        public override BackwardReads BackwardReads => Inner.BackwardReads;

        public override NumberInterval Domain => Inner.Domain;

        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Inner.Infer(inputs);

        public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
            => Inner.Parameters(inputs);

        public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs)
            => Inner.SavedLength(batch, inputs);

        public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
            => Inner.Kinks(x, inputs);

        public override void Forward<T>(in Frame<T> f) => Inner.Forward(f);

        public override void Backward<T>(in Frame<T> f)
        {
            Inner.Backward(f);
            At = Spoil(Tensor < InputCount ? f.DX(Tensor) : f.DW(Tensor - InputCount), How);
        }
    }

    /// <summary>y = x, with a wrong backward pass unless it is the first layer of its graph.</summary>
    private sealed record LateFault : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.DY.Length; i++)
                f.DX(0)[i] = f.NodeIndex > 1 ? -f.DY[i] : f.DY[i];
        }
    }

    /// <summary>A loss of the library with a wrong gradient.</summary>
    private sealed record WrongLoss(Loss Inner, Spoiled How) : Loss
    {
        public override TargetKind Takes => Inner.Takes;

        public override T Evaluate<T>(in LossFrame<T> f)
        {
            T value = Inner.Evaluate(f);
            Spoil(f.DY, How);
            return value;
        }
    }
}
