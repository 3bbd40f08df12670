using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>The results of a network on a data set, for each output that has targets.</summary>
/// <remarks>Of the only such output, if it is compared with classes, the results can be read directly:
/// <see cref="Accuracy"/>, <see cref="Correct"/> and the confusion matrix.</remarks>
public sealed class Evaluation
{
    private Evaluation(int count, IReadOnlyList<OutputEvaluation> outputs, int notFinite, int? firstNotFinite)
        => (Count, Outputs, NotFinite, FirstNotFinite) = (count, outputs, notFinite, firstNotFinite);

    /// <summary>The number of samples.</summary>
    public int Count { get; }

    /// <summary>The results of each output that has targets, in the order of the graph's outputs.</summary>
    public IReadOnlyList<OutputEvaluation> Outputs { get; }

    /// <summary>The number of samples with a NaN or infinite value in an output that has targets.</summary>
    public int NotFinite { get; }

    /// <summary>The index of the first such sample in the data, from 0; null if there is none.</summary>
    public int? FirstNotFinite { get; }

    /// <summary>The number of classes of the only output.</summary>
    /// <exception cref="InvalidOperationException">There are several outputs with targets, or the targets are
    /// values.</exception>
    public int Classes => Only.Classes;

    /// <summary>The number of correctly classified samples or pixels of the only output.</summary>
    /// <inheritdoc cref="Classes" path="/exception"/>
    public long Correct => Only.Correct;

    /// <summary>The fraction of correctly classified samples or pixels of the only output, from 0 to 1.</summary>
    /// <inheritdoc cref="Classes" path="/exception"/>
    public double Accuracy => Only.Accuracy;

    /// <summary>An entry of the confusion matrix of the only output: the number of samples or pixels of class
    /// <paramref name="truth"/> that were classified as <paramref name="guess"/>.</summary>
    /// <inheritdoc cref="Classes" path="/exception"/>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class.</exception>
    public long this[int truth, int guess] => Only[truth, guess];

    /// <summary>Gets the results of an output.</summary>
    /// <param name="output">The name of the output.</param>
    /// <exception cref="ArgumentNullException"><paramref name="output"/> is null.</exception>
    /// <exception cref="ArgumentException">The data has no targets for an output with this name.</exception>
    public OutputEvaluation this[string output]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(output);
            return Outputs.FirstOrDefault(of => of.Output == output)
                ?? throw NearMisses.NoSuch("evaluated output", output, Outputs.Select(of => of.Output));
        }
    }

    /// <summary>Runs a network over a data set in inference mode.</summary>
    /// <remarks>Several ranks test their shares of each batch, and all return the results of the whole data set. A
    /// loader with their <see cref="DataLoaderOptions.Share"/> reads no other samples.</remarks>
    /// <param name="executable">The network.</param>
    /// <param name="data">The loader of all samples; its first epoch is used.</param>
    /// <param name="cancellation">Cancels the run between two batches.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="data"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The data does not match the network, or the loader drops,
    /// selects or mixes samples.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, or another call of the
    /// network is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The network or its backend is disposed.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static Evaluation Of(IExecutable executable, DataLoader data, CancellationToken cancellation = default)
        => Of(executable, [data], cancellation);

    /// <summary>Runs a network over several views of a data set in inference mode, and evaluates the mean of the
    /// outputs: test-time augmentation.</summary>
    /// <remarks>The mean of the scores of classes is compared, not of their probabilities. The pixels of an image that
    /// is moved have no classes of their own, so that an output with classes per pixel takes one view only.</remarks>
    /// <param name="executable">The network.</param>
    /// <param name="views">Loaders of all samples in the same order and in batches of the same size, whose transforms
    /// differ: for example the images as they are, and mirrored by <c>new RandomHorizontalFlip(1)</c>.</param>
    /// <param name="cancellation">Cancels the run between two batches.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="views"/> is null, or a
    /// view.</exception>
    /// <exception cref="ArgumentException">The data does not match the network; a loader drops, selects or mixes
    /// samples; there is no view, or the views have other samples; or there are several of an output with classes per
    /// pixel.</exception>
    /// <inheritdoc cref="Of(IExecutable, DataLoader, CancellationToken)"
    /// path="/exception[not(contains(@cref, 'Argument'))]"/>
    public static Evaluation Of(IExecutable executable, IReadOnlyList<DataLoader> views,
        CancellationToken cancellation = default)
    {
        var run = new EvaluationViews(executable, views, cancellation);
        OutputEvaluation[] outputs = [.. run.Outputs.Select(Empty)];
        var notFinite = new NotFiniteSamples();
        int count = 0;
        var bad = new bool[executable.BatchSize];
        foreach (Batch batch in run.Infer())
        {
            (int first, int own) = run.Own(batch.Count);
            Array.Clear(bad);
            for (int i = 0; i < outputs.Length && own > 0; i++)
                outputs[i].Add(run.Mean(i, own), run.Outputs[i], batch, first, bad);
            count += batch.Count;
            for (int i = 0; i < own; i++)
            {
                if (bad[i])
                    notFinite.Add(batch.Samples[first + i]);
            }
        }
        if (run.Sharing is { } sharing)
        {
            notFinite.AddUp(sharing);
            Array.ForEach(outputs, output => output.AddUp(sharing));
        }
        return new Evaluation(count, outputs, notFinite.Count, notFinite.First);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Evaluation), (nameof(Count), Count),
        (nameof(NotFinite), NotFinite), (nameof(Outputs), Outputs));

    private ClassEvaluation Only => Outputs is [ClassEvaluation only] ? only : throw new InvalidOperationException(
        Outputs.Count == 1
            ? $"The output \"{Outputs[0].Output}\" is compared with values, not classes; read its errors in Outputs."
            : $"The evaluation is of {Outputs.Count} outputs, {string.Join(", ", Outputs.Select(of => of.Output))}; "
                + "get the results of one by its name.");

    private static OutputEvaluation Empty(BoundOutput bound) => bound.IsClassified
        ? new ClassEvaluation(bound.Output.Name, bound.Output.Shape.Length / bound.Target.Length)
        : new ValueEvaluation(bound.Output.Name);
}
