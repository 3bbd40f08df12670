using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>The classification results of a network, per class.</summary>
/// <remarks>An image with a NaN or infinite score has no predicted class. It counts as wrong and is not part of the
/// confusion matrix.</remarks>
public sealed class Evaluation
{
    private readonly int[,] _counts;

    private Evaluation(int[,] counts, int notFinite, int? firstNotFinite)
    {
        (_counts, Count, NotFinite, FirstNotFinite) = (counts, notFinite, notFinite, firstNotFinite);
        for (int truth = 0; truth < Classes; truth++)
        {
            for (int guess = 0; guess < Classes; guess++)
            {
                Count += counts[truth, guess];
                Correct += truth == guess ? counts[truth, guess] : 0;
            }
        }
    }

    /// <summary>The number of classes.</summary>
    public int Classes => _counts.GetLength(0);

    /// <summary>The number of images.</summary>
    public int Count { get; }

    /// <summary>The number of correctly classified images.</summary>
    public int Correct { get; }

    /// <summary>The number of images with a NaN or infinite score.</summary>
    public int NotFinite { get; }

    /// <summary>The index of the first such image in the data, from 0; null if there is none.</summary>
    public int? FirstNotFinite { get; }

    /// <summary>The fraction of correctly classified images, from 0 to 1.</summary>
    public double Accuracy => (double)Correct / Count;

    /// <summary>An entry of the confusion matrix: the number of images of class <paramref name="truth"/> that were
    /// classified as <paramref name="guess"/>.</summary>
    public int this[int truth, int guess] => _counts[truth, guess];

    /// <summary>Runs a network over a data set in inference mode. The predicted class has the largest score; ties go to
    /// the first class.</summary>
    /// <param name="executable">The network.</param>
    /// <param name="data">The loader of all samples; its first epoch is used.</param>
    /// <param name="cancellation">Cancels the run between two batches.</param>
    /// <exception cref="ArgumentException">The data does not match the network, or the loader drops
    /// samples.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static Evaluation Of(IExecutable executable, DataLoader data, CancellationToken cancellation = default)
    {
        CheckFit(executable, data);
        if (data.SampleCount < data.Dataset.Count)
            throw new ArgumentException("An evaluation counts every sample, and the loader leaves the last "
                + $"{data.Dataset.Count - data.SampleCount:N0} out; make one without {nameof(data.Options.DropLast)}.",
                nameof(data));
        int outputs = executable.Graph.Output.Shape.Length, notFinite = 0;
        var counts = new int[outputs, outputs];
        var scores = new float[data.LargestBatch * outputs];
        int? first = null;
        foreach (Batch batch in data.From(LoaderPosition.Start, cancellation))
        {
            using (batch)
            {
                executable.Infer(batch.Inputs, scores.AsSpan(0, batch.Count * outputs));
                for (int i = 0; i < batch.Count; i++)
                {
                    if (Guess(scores, i, outputs) is { } guess)
                    {
                        counts[batch.Classes[i], guess]++;
                        continue;
                    }
                    first = Math.Min(first ?? int.MaxValue, batch.Samples[i]);
                    notFinite++;
                }
            }
        }
        return new Evaluation(counts, notFinite, first);
    }

    /// <summary>Returns the number of images whose label has the largest score and whose scores are finite.</summary>
    internal static int CountCorrect(ReadOnlySpan<float> scores, ReadOnlySpan<int> labels)
    {
        int correct = 0, outputs = scores.Length / labels.Length;
        for (int i = 0; i < labels.Length; i++)
            correct += Guess(scores, i, outputs) == labels[i] ? 1 : 0;
        return correct;
    }

    /// <summary>Throws unless the network accepts the batches and has one score per class.</summary>
    internal static void CheckFit(IExecutable executable, DataLoader data)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(data);
        Graph graph = executable.Graph;
        if (graph.Inputs.Count > 1 || graph.Outputs.Count > 1)
            throw new ArgumentException($"Labelled images are for graphs of one input and one output, and this one has "
                + $"{graph.Inputs.Count} and {graph.Outputs.Count}.", nameof(executable));
        TargetDescription target = data.Dataset.Target;
        if (graph.Input.Shape != data.Shape)
            throw new ArgumentException($"The network reads {graph.Input.Shape} images and the data has {data.Shape}; "
                + "describe the graph for the data's shape.", nameof(data));
        if (target.Kind != TargetKind.Classes)
            throw new ArgumentException("The data has no class for each image; give data with class labels.",
                nameof(data));
        if (graph.Output.Shape.Length < target.Classes)
            throw new ArgumentException($"The network has {graph.Output.Shape.Length} scores and the data "
                + $"{target.Classes} classes; end the graph with {target.Classes} units.", nameof(data));
        if (data.LargestBatch > executable.BatchSize)
            throw new ArgumentException($"The loader makes batches of {data.LargestBatch:N0} and the network was "
                + $"compiled for {executable.BatchSize:N0}; give both one size.", nameof(data));
    }

    // −0 equals +0, as in numeric comparison. Null if the scores are not finite.
    private static int? Guess(ReadOnlySpan<float> scores, int image, int outputs)
    {
        ReadOnlySpan<float> own = scores.Slice(image * outputs, outputs);
        int best = 0;
        for (int i = 0; i < own.Length; i++)
        {
            if (!float.IsFinite(own[i]))
                return null;
            if (own[i] > own[best])
                best = i;
        }
        return best;
    }
}
