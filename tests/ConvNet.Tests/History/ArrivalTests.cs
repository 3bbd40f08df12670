using System.Reflection;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.History;

/// <summary>Every option of a check and every attribute of a layer changes what is run. A test whose parameter never
/// arrives passes whatever it is given.</summary>
public sealed class ArrivalTests
{
    private static readonly GradientCheckOptions s_usual = new()
    {
        Modes = CheckModes.Exact | CheckModes.Real | CheckModes.EndToEnd | CheckModes.PlanReal,
        MostTerms = 1_000_000,
    };

    // For every option, options that differ only in it.
    private static readonly Dictionary<string, GradientCheckOptions> s_changed = new()
    {
        [nameof(GradientCheckOptions.Modes)] = s_usual with { Modes = CheckModes.Exact },
        [nameof(GradientCheckOptions.BatchSize)] = s_usual with { BatchSize = 5 },
        [nameof(GradientCheckOptions.MostTerms)] = s_usual with { MostTerms = 1_000 },
        [nameof(GradientCheckOptions.Seed)] = s_usual with { Seed = 77 },
        [nameof(GradientCheckOptions.Values)] = s_usual with { Values = RealValues.Wide },
        [nameof(GradientCheckOptions.LargestInteger)] = s_usual with { LargestInteger = 3 },
        [nameof(GradientCheckOptions.Frozen)] = s_usual with { Frozen = ["*weight"] },
        [nameof(GradientCheckOptions.Training)] = s_usual with
        {
            Training = new TrainingSpec(3, new SoftmaxCrossEntropy(), new Sgd()),
        },
        [nameof(GradientCheckOptions.Cancellation)] = s_usual with { Cancellation = new(canceled: true) },
    };

    // A distribution of real numbers and a sample of the results are for single layers, a training is for graphs, and a
    // loss has no parameters.
    private static readonly Dictionary<string, string[]> s_absent = new()
    {
        ["layer"] = [nameof(GradientCheckOptions.Training)],
        ["graph"] = [nameof(GradientCheckOptions.Values)],
        ["loss"] = [nameof(GradientCheckOptions.Values), nameof(GradientCheckOptions.MostTerms),
            nameof(GradientCheckOptions.Frozen), nameof(GradientCheckOptions.Cancellation),
            nameof(GradientCheckOptions.Training)],
    };

    private static IEnumerable<TestCaseData> OptionsOfSubjects() => from subject in Subjects.Keys
                                                                    from option in s_changed.Keys
                                                                    where !s_absent.GetValueOrDefault(subject, [])
                                                                        .Contains(option)
                                                                    select new TestCaseData(subject, option);

    private static Dictionary<string, Func<GradientCheckOptions, GradientCase>> Subjects { get; } = new()
    {
        ["layer"] = options => new LayerGradientCase(new Conv2d(5, 3), [new Shape(3, 7, 6)], options),
        ["graph"] = options => new GraphGradientCase(
            Sequential.Of(new Shape(3, 7, 6), new Conv2d(5, 3), new Flatten(), new Linear(3)), options),
        ["loss"] = options => new LossGradientCase(new MulticlassSvm(), 5, options),
    };

    private static IEnumerable<TestCaseData> Attributes() => from backend in Backends.All
                                                             from kind in LayerSet.BuiltIn.Declarations
                                                             from attribute in kind.Attributes
                                                             select new TestCaseData(backend, kind.Kind,
                                                                 attribute.Name);

    [Test]
    public void EveryOptionIsTested()
        => Assert.That(s_changed.Keys, Is.EquivalentTo(typeof(GradientCheckOptions)
            .GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name)));

    [TestCaseSource(nameof(OptionsOfSubjects))]
    public void EveryOptionChangesWhatIsRun(string subject, string option)
    {
        Func<GradientCheckOptions, GradientCase> make = Subjects[subject];
        if (option == nameof(GradientCheckOptions.Cancellation))
        {
            Assert.That(() => Run(make(s_changed[option])), Throws.InstanceOf<OperationCanceledException>());
            return;
        }
        string usual = Run(make(s_usual)).Text;
        Assert.That(Run(make(s_usual)).Text, Is.EqualTo(usual), "the same options run the same");
        Assert.That(Run(make(s_changed[option])).Text, Is.Not.EqualTo(usual));
    }

    [TestCase("layer")]
    [TestCase("graph")]
    public void TheLayersSeeTheOptions(string subject)
    {
        GradientCheckOptions options = s_usual with
        {
            BatchSize = 5,
            Seed = 77,
            LargestInteger = 3,
            Frozen = ["*weight"],
            Modes = CheckModes.Exact,
        };
        List<Seen> seen = Run(Subjects[subject](options)).Frames;
        Assert.Multiple(() =>
        {
            Assert.That(seen.Select(each => each.N), Is.All.EqualTo(5), "the batch");
            Assert.That(seen.Where(each => each.Backward).Select(each => each.WantsWeight), Is.All.False, "frozen");
            Assert.That(seen.Where(each => each.Backward).Select(each => each.WantsBias), Has.All.True, "the others");
            Assert.That(seen.Max(each => each.Largest), Is.EqualTo(3), "the largest integer");
            Assert.That(seen.Select(each => each.Seed), Has.Some.EqualTo(77ul), "the seed");
        });
    }

    [Test]
    public void EveryOptionOfAFileArrives()
    {
        GradientCheckOptions read = HistoryCases.Load("parameter-that-never-arrives").Options,
            usual = new GradientCheckOptions();
        foreach (PropertyInfo property in typeof(GradientCheckOptions)
            .GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.Name is not (nameof(usual.Cancellation) or nameof(usual.Frozen)
                or nameof(usual.Training))))
            Assert.That(property.GetValue(read), Is.Not.EqualTo(property.GetValue(usual)), property.Name);
        Assert.That(HistoryCases.Load("bias-gradient-alone").Options.Frozen, Is.EqualTo((string[])["weight"]));
    }

    [TestCaseSource(nameof(Attributes))]
    public void EveryAttributeChangesWhatALayerComputes(BackendCase backend, string kind, string attribute)
    {
        LayerDeclaration declared = LayerSet.BuiltIn.Declarations.Single(each => each.Kind == kind);
        (LayerExample example, Layer changed) = Witness(declared, declared.Examples, attribute)
            ?? throw new AssertionException($"no value of {attribute} changes a {kind}");
        using IBackend opened = backend.Open();
        Assert.That(ResultsOn(opened, example.Layer, example), Is.Not.EqualTo(ResultsOn(opened, changed, example)),
            $"{example.Layer} and {changed}");
    }

    [Test]
    public void AnAttributeThatNeverArrivesIsFound()
    {
        // The defect: an argument of a helper of the tests that was not passed on, so that every padding was 0.
        LayerDeclaration right = AvgPool2d.Declared;
        AttributeDeclaration padding = right.Of(AttributeRole.Padding)!;
        var forgetful = new LayerDeclaration(right.Kind, right.Summary, right.Attributes,
            values => right.Make(values.With((padding, (Padding)0))));
        var made = (LayerGradientCase)HistoryCases.Load("parameter-that-never-arrives");
        Layer without = forgetful.With(made.Layer)!;
        using var managed = new ManagedBackend();
        Contract.Reports.AssertPasses((made with { Layer = without }).Run([managed]));
        LayerExample[] examples = [new("forgetful", without, made.Options.BatchSize, made.Inputs)];
        Assert.That(Witness(forgetful, examples, padding.Name), Is.Null);
        Assert.That(Witness(right, [examples[0] with { Layer = made.Layer }], padding.Name), Is.Not.Null,
            "the right one");
        foreach (AttributeDeclaration other in right.Attributes.Where(each => each != padding))
            Assert.That(Witness(forgetful, right.Examples, other.Name), Is.Not.Null, other.Name);
    }

    [Test]
    public void EveryAttributeOfALossChangesWhatItComputes()
    {
        float[] scores = Samples.Uniform(2 * 3, 1);
        foreach (Declaration<Loss> kind in Loss.BuiltIn.Declarations)
        {
            Loss usual = Loss.BuiltIn.Make(kind.Kind);
            foreach (AttributeDeclaration attribute in kind.Attributes)
            {
                bool Changes(ulong seed)
                {
                    Loss other = kind.Make(new AttributeValues([KeyValuePair.Create(attribute,
                        attribute.Draw(new RandomDraw(seed)))]));
                    return other.Takes != usual.Takes || Of(other) != Of(usual);
                }
                Assert.That(Enumerable.Range(1, 20).Any(seed => Changes((ulong)seed)), Is.True,
                    $"{kind.Kind}, {attribute.Name}");
            }
        }
        float Of(Loss loss) => loss.Evaluate(new LossFrame<float>(Shape.Vector(3), scores,
            loss.Takes == TargetKind.Values ? Targets.Of(Samples.Uniform(6, 2)) : Targets.Of((int[])[0, 2]),
            new float[6]));
    }

    // An example and the layer with another value of one attribute, which computes something else from the same values
    // or does not accept their shape. One with the same shape is preferred, because another shape alone does not prove
    // that the kernel got the value.
    private static (LayerExample Example, Layer Changed)? Witness(LayerDeclaration declared,
        IReadOnlyList<LayerExample> examples, string name)
    {
        AttributeDeclaration attribute = declared.Attributes.Single(each => each.Name == name);
        using var managed = new ManagedBackend(1);
        var found = new List<(LayerExample Example, Layer Changed, bool SameShape)>();
        // In a larger map, a window leaves a remainder.
        foreach (LayerExample example in examples.Concat(examples.Select(Larger)))
        {
            string usual = ResultsOn(managed, example.Layer, example);
            IEnumerable<object> values = attribute.Smaller(example.Layer).Concat(
                Enumerable.Range(1, 40).Select(seed => attribute.Draw(new RandomDraw((ulong)seed))));
            foreach (Layer changed in values.Select(value => declared.With(example.Layer, (attribute, value)))
                .OfType<Layer>().Where(layer => layer != example.Layer).Distinct())
            {
                string other = ResultsOn(managed, changed, example);
                if (other != usual)
                    found.Add((example, changed, other.Split(':')[0] == usual.Split(':')[0]));
            }
        }
        return found.OrderByDescending(each => each.SameShape)
            .Select(each => ((LayerExample, Layer)?)(each.Example, each.Changed)).FirstOrDefault();
    }

    private static LayerExample Larger(LayerExample example) => example with
    {
        Inputs = [.. example.Inputs.Select(shape => new Shape(shape.C, shape.H + 1, shape.W + 1))],
    };

    // Everything that a layer computes in the second of two passes, and the constants that its parameters start with.
    private static string ResultsOn(IBackend backend, Layer layer, LayerExample example)
    {
        Shape[] shapes = [.. example.Inputs];
        int n = example.BatchSize;
        if (Shrinker.Valid(() => $"{layer.Infer(shapes)}") is null)
            return "refused:";
        var probe = new LayerProbe(layer, shapes);
        var values = new LayerValues<float>(layer, shapes, n,
            [.. shapes.Select((shape, i) => Samples.Uniform(n * shape.Length, i + 1))],
            [.. probe.Tested.Parameters.Select((parameter, i) => Samples.ParameterValues(parameter, i + 10))],
            Samples.Uniform(n * layer.Infer(shapes).Length, 20), probe.Tested.Index, 1, Seed: 1);
        LayerResult got = probe.Run(backend, values, values);
        float[]?[] results = [got.Y, .. got.DX, .. got.DW, .. got.Buffers];
        IEnumerable<InitialValue> starts = layer.Parameters(shapes).Select(parameter => parameter.Initial);
        return $"{layer.Infer(shapes)}: {string.Join(' ', starts)} "
            + string.Join(' ', results.SelectMany(each => each ?? []));
    }

    private static (string Text, List<Seen> Frames) Run(GradientCase made)
    {
        var frames = new List<Seen>();
        using var managed = new ManagedBackend(1);
        using var watched = new SubstitutedBackend(managed, layer => new Watched(layer, frames));
        // The plan that trains is checked only on a backend that shows its tensors, which the watched one does not.
        GradientReport[] reports = [made.Run([watched]), made.Run([managed])];
        IEnumerable<string> compared = reports.SelectMany(report => report.Layers).SelectMany(layer => layer.Tensors,
            (layer, tensor) => $"{layer.Mode} {tensor.Name} {tensor.Elements} {tensor.Truth}");
        return (string.Join('\n', compared.Concat(frames.Select(each => $"{each}"))), frames);
    }

    /// <summary>What a layer saw in one pass.</summary>
    private sealed record Seen(bool Backward, int N, ulong Seed, bool WantsWeight, bool WantsBias, double Largest,
        double Sum);

    /// <summary>A layer that writes down what it sees.</summary>
    private sealed record Watched(Layer Right, List<Seen> Frames) : Defective(Right)
    {
        public override void Forward<T>(in Frame<T> f)
        {
            Note(f, backward: false, f.X(0));
            base.Forward(f);
        }

        public override void Backward<T>(in Frame<T> f)
        {
            Note(f, backward: true, f.DY);
            base.Backward(f);
        }

        private void Note<T>(in Frame<T> f, bool backward, ReadOnlySpan<T> values)
            where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
        {
            (double largest, double sum) = (0, 0);
            for (int i = 0; i < values.Length; i++)
            {
                double value = double.CreateChecked(values[i]);
                (largest, sum) = (Math.Max(largest, Math.Abs(value)), sum + value * (1 + i % 7));
            }
            int parameters = Right.Parameters(f.XShape(0)).Count;
            Frames.Add(new Seen(backward, f.N, f.Seed, parameters > 0 && f.WantsDW(0), parameters == 0 || f.WantsDW(1),
                largest, sum));
        }
    }
}
