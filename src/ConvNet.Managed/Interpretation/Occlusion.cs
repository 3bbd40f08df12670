using System.Numerics.Tensors;
using static System.FormattableString;

namespace ConvNet.Interpretation;

/// <summary>Which parts of an image the probability of a class rests on: how much it falls when a patch covers
/// them.</summary>
/// <remarks>
/// A patch of one value moves over the image. The drop of a pixel is the mean of p(image) − p(image with the patch)
/// over all positions of the patch that cover the pixel. It is negative where the image argues against the class. The
/// probability is the softmax of the network's output, or the output itself behind a softmax layer. Source: Zeiler and
/// Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
/// </remarks>
/// <param name="Class">The class.</param>
/// <param name="Probability">The probability of the class for the whole image.</param>
/// <param name="Patch">The rows and columns of the patch.</param>
/// <param name="Stride">The distance of two positions of the patch.</param>
/// <param name="Drops">The drop of each pixel, H×W.</param>
public sealed record Occlusion(int Class, double Probability, Extent Patch, Extent Stride, float[] Drops)
{
    private const int PatchesPerSide = 7;

    /// <summary>Covers parts of an image.</summary>
    /// <param name="network">An executable with one input and one output of C×1×1 scores. The larger its batch size,
    /// the fewer passes are needed.</param>
    /// <param name="sample">The image as the network reads it, C×H×W values.</param>
    /// <param name="label">The class, from 0; null for the one with the highest score.</param>
    /// <param name="options">The options.</param>
    /// <param name="cancellation">Cancels the work between two passes.</param>
    /// <exception cref="ArgumentNullException"><paramref name="network"/> is null.</exception>
    /// <exception cref="ArgumentException">The sample has another length, or the output is not a vector of
    /// scores.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or the patch or the stride is not from 1
    /// to the size of the image.</exception>
    /// <exception cref="InvalidOperationException">The network has several inputs or outputs, or a parameter has not
    /// been written.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static Occlusion Of(IExecutable network, ReadOnlySpan<float> sample, int? label = null,
        OcclusionOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        options ??= new OcclusionOptions();
        Shape image = network.Graph.Input.Shape;
        if (sample.Length != image.Length)
            throw new ArgumentException(Invariant($"A sample of {image} has {image.Length:N0} values, but ")
                + Invariant($"{sample.Length:N0} were passed. Pass one sample."), nameof(sample));
        float[] whole = ClassScores.Of(network, sample);
        int of = label ?? TensorPrimitives.IndexOfMax<float>(whole);
        if (of < 0 || of >= whole.Length)
            throw new ArgumentOutOfRangeException(nameof(label),
                $"There is no class {of}: the network has the classes 0 to {whole.Length - 1}.");
        Extent patch = InImage(options.Patch ?? (Share(image.H, PatchesPerSide), Share(image.W, PatchesPerSide)),
            image, "patch");
        Extent stride = InImage(options.Stride ?? (Share(patch.H, 2), Share(patch.W, 2)), image, "stride");
        var sums = new float[image.Area];
        var counts = new int[image.Area];
        (int Y, int X)[] places = [.. from y in Places(image.H, patch.H, stride.H)
                                      from x in Places(image.W, patch.W, stride.W) select (y, x)];
        foreach ((int Y, int X)[] some in places.Chunk(network.BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            float[] scores = ClassScores.Of(network, Covered(sample, image, some, patch, options.Value));
            for (int i = 0; i < some.Length; i++)
                Add(whole[of] - scores[i * whole.Length + of], some[i], patch, image, sums, counts);
        }
        for (int i = 0; i < sums.Length; i++)
            sums[i] /= counts[i];
        return new Occlusion(of, whole[of], patch, stride, sums);
    }

    private static int Share(int size, int parts) => Math.Max(1, size / parts);

    private static Extent InImage(Extent size, Shape image, string what)
        => size.H >= 1 && size.W >= 1 && size.H <= image.H && size.W <= image.W ? size
        : throw new ArgumentOutOfRangeException(what,
            $"The {what} is {size}; it must be from 1×1 to the size of the image, {image.H}×{image.W}.");

    // The last position ends at the border, so that every pixel is covered.
    private static IEnumerable<int> Places(int size, int patch, int stride)
    {
        for (int at = 0; at < size - patch; at += Math.Min(stride, patch))
            yield return at;
        yield return size - patch;
    }

    private static float[] Covered(ReadOnlySpan<float> sample, Shape image, (int Y, int X)[] places, Extent patch,
        float value)
    {
        var samples = new float[places.Length * image.Length];
        for (int i = 0; i < places.Length; i++)
        {
            Span<float> covered = samples.AsSpan(i * image.Length, image.Length);
            sample.CopyTo(covered);
            for (int c = 0; c < image.C; c++)
            {
                for (int y = 0; y < patch.H; y++)
                    covered.Slice((c * image.H + places[i].Y + y) * image.W + places[i].X, patch.W).Fill(value);
            }
        }
        return samples;
    }

    private static void Add(float drop, (int Y, int X) place, Extent patch, Shape image, float[] sums, int[] counts)
    {
        for (int y = place.Y; y < place.Y + patch.H; y++)
        {
            for (int x = place.X; x < place.X + patch.W; x++)
            {
                sums[y * image.W + x] += drop;
                counts[y * image.W + x]++;
            }
        }
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Occlusion), (nameof(Class), Class),
        (nameof(Probability), Probability), (nameof(Patch), Patch), (nameof(Stride), Stride));
}
