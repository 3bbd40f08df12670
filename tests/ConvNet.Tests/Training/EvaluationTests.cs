using ConvNet.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>Which class a network names, and what is made of scores that are no numbers.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class EvaluationTests(BackendCase backend)
{
    private const float NaN = float.NaN, Infinity = float.PositiveInfinity;

    // Scores are the images themselves, one row each.
    private Evaluation Of(int classes, float[] images, int[] labels, int batch = 2)
    {
        using IBackend opened = backend.Open();
        using IExecutable network = opened.CompileInference(Sequential.Of(new Shape(classes, 1, 1), new Flatten()),
            batch);
        return Evaluation.Of(network,
            new DataLoader(new ArrayDataset(Shape.Vector(classes), classes, images, labels), batch));
    }

    [Test]
    public void ScoresThatAreNotFiniteNameNoClassAndAreCounted()
    {
        Evaluation evaluation = Of(3,
        [
            9, 1, 0,
            1, NaN, 0,
            0, 1, Infinity,
            0, 0, 5,
            -Infinity, 0, 1,
        ], [0, 1, 2, 2, 2]);
        Assert.Multiple(() =>
        {
            Assert.That((evaluation.Count, evaluation.Correct, evaluation.Accuracy), Is.EqualTo((5, 2L, 0.4)));
            Assert.That((evaluation.NotFinite, evaluation.FirstNotFinite), Is.EqualTo((3, (int?)1)));
            Assert.That((evaluation[0, 0], evaluation[2, 2]), Is.EqualTo((1L, 1L)));
            Assert.That(Enumerable.Range(0, 9).Sum(i => evaluation[i / 3, i % 3]), Is.EqualTo(2), "no other cell");
        });
    }

    [Test]
    public void EverySampleCountsWhateverTheOrderAndTheSizeOfBatches([Values(1, 2, 3, 5, 8)] int size)
    {
        using IBackend opened = backend.Open();
        using IExecutable network = opened.CompileInference(Sequential.Of(new Shape(2, 1, 1), new Flatten()), 8);
        var data = new ArrayDataset(Shape.Vector(2), 2, [3, 1, 1, 2, NaN, 0, 0, 4, 5, 0], [0, 0, 1, 1, 0]);
        var evaluation = Evaluation.Of(network,
            new DataLoader(data, size, new DataLoaderOptions { Shuffle = true, Seed = 3 }));
        Assert.That((evaluation.Count, evaluation.Correct, evaluation.NotFinite, evaluation.FirstNotFinite),
            Is.EqualTo((5, 3L, 1, (int?)2)));
        var without = new DataLoader(data, 2, new DataLoaderOptions { DropLast = true });
        Assert.That(() => Evaluation.Of(network, without), Throws.ArgumentException
            .With.Message.Contains("drops the last 1"));
    }

    [Test]
    public void OfEqualScoresTheFirstWinsWhateverTheSignOfZero()
    {
        Evaluation evaluation = Of(3, [-0f, 0f, -1, 0f, -0f, 0f, 2, 2, 1], [0, 0, 0], batch: 3);
        Assert.That((evaluation.Correct, evaluation.NotFinite, evaluation.FirstNotFinite),
            Is.EqualTo((3L, 0, (int?)null)));
        Assert.That($"{evaluation}", Does.StartWith("Evaluation { Count = 3, NotFinite = 0, Outputs = "
            + "[ClassEvaluation { Output = ").And.Contains("Accuracy = 1,"));
        Assert.That(() => evaluation[0, 3], Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains(
            "The classes are 0 to 2").And.Property("ParamName").EqualTo("guess"));
        Assert.That(() => evaluation[-1, 0], Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName")
            .EqualTo("truth"));
    }

    [Test]
    public void TheCrossEntropyOfEachClassIsThatOfTheSoftmax()
    {
        float[][] scores = [[3, 1, -2], [0, 200, -200], [1, 1, 1], [-1, 4, 2]];
        int[] labels = [0, 2, 1, 2];
        var classes = (ClassEvaluation)Of(3, [.. scores.SelectMany(row => row)], labels).Outputs[0];
        double[] losses = [.. scores.Zip(labels, (row, label)
            => Math.Log(row.Sum(score => Math.Exp(score - 200.0))) + 200 - row[label])];
        Assert.Multiple(() =>
        {
            Assert.That(classes.CrossEntropy, Is.EqualTo(losses.Average()).Within(1e-9).Percent);
            Assert.That(classes.PerClass.Select(each => each.CrossEntropy),
                Is.EqualTo((double[])[losses[0], losses[2], (losses[1] + losses[3]) / 2]).Within(1e-9).Percent);
            Assert.That(((ClassEvaluation)Of(2, [NaN, 0], [1]).Outputs[0]).CrossEntropy, Is.NaN);
        });
    }

    [Test]
    public void SeveralViewsAreComparedByTheMeanOfTheirScores()
    {
        // Of a row of three pixels that is mirrored, the first and the last score change places.
        float[] images = [3, 0, 1, 0, 4, 5, 0, 2, 3, 9, 0, NaN];
        int[] labels = [0, 1, 2, 0];
        var data = new ArrayDataset(new Shape(1, 1, 3), 3, images, labels);
        using IBackend opened = backend.Open();
        using IExecutable network = opened.CompileInference(Sequential.Of(new Shape(1, 1, 3), new Flatten()), 2);
        DataLoader View(params Transform[] transforms) => new(data, 2, new DataLoaderOptions
        {
            Transforms = [.. transforms.Select(transform => (InputTransform)transform)],
        });
        var mirror = new RandomHorizontalFlip(1);
        var one = Evaluation.Of(network, View());
        var mean = Evaluation.Of(network, [View(), View(mirror)]);
        Assert.Multiple(() =>
        {
            Assert.That((one.Correct, one.NotFinite), Is.EqualTo((2L, 1)));
            // The means are 2 0 2, 2.5 4 2.5 and 1.5 2 1.5.
            Assert.That((mean.Count, mean.Correct, mean.NotFinite, mean[1, 1], mean[2, 1]),
                Is.EqualTo((4, 2L, 1, 1L, 1L)));
            Assert.That(Evaluation.Of(network, [View(mirror)])[0, 2], Is.EqualTo(1), "only mirrored");
            Assert.That(() => Evaluation.Of(network, (DataLoader[])[]),
                Throws.ArgumentException.With.Message.Contains("no view"));
            Assert.That(() => Evaluation.Of(network, [View(), new DataLoader(data, 1)]),
                Throws.ArgumentException.With.Message.Contains("in batches of 1"));
            Assert.That(() => Evaluation.Of(network, [View(),
                new DataLoader(data, 2, new DataLoaderOptions { Shuffle = true, Seed = 5 })]),
                Throws.ArgumentException.With.Message.Contains("different orders"));
        });
    }

    [Test]
    public void TrainingCountsTheSame()
    {
        Assert.Multiple(() =>
        {
            Assert.That(new Predictions([-0f, 0f, NaN, 1, Infinity, 0, 0, 1], 2, 1).CountCorrect([0, 0, 0, 1]),
                Is.EqualTo((4, 2)));
            Assert.That(new Predictions([1, NaN], 2, 1).CountCorrect([1]), Is.EqualTo((1, 0)));
        });
    }

    [Test]
    public void FiniteWeightsThatOverflowAreTracedToTheirLayer()
    {
        using IBackend opened = backend.Open();
        using IExecutable network = opened.CompileInference(Sequential.Of(new Shape(2, 1, 1), new Linear(2),
            new Linear(2)), 2);
        foreach (Parameter parameter in network.Graph.Parameters)
            network.Write(parameter, [.. Enumerable.Repeat(1e25f, parameter.Length)]);
        var data = new ArrayDataset(Shape.Vector(2), 2, [0, 0, 1, 1], [0, 1]);
        Assert.That(Evaluation.Of(network, new DataLoader(data, 2)).NotFinite, Is.EqualTo(2));
        var origin = NonFiniteOrigin.Find(network, data.Inputs, pass: null);
        Assert.That((origin.Place, origin.Node!.Name, origin.Algorithm),
            Is.EqualTo((NonFinitePlace.Output, "linear2", SumAlgorithm.Direct)));
    }
}
