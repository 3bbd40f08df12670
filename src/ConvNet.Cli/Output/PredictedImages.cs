using ConvNet.Data;

namespace ConvNet.Cli;

/// <summary>The images of which classes are predicted.</summary>
/// <param name="Dataset">The images.</param>
/// <param name="Normalization">The normalisation of their pixels.</param>
/// <param name="ClassNames">The names of the classes; empty if there are none.</param>
/// <param name="Image">Returns the file or the name of an image.</param>
internal sealed record PredictedImages(IDataset Dataset, Normalization Normalization, IReadOnlyList<string> ClassNames,
    Func<int, string> Image)
{
    /// <summary>Returns the name of a class, or its number.</summary>
    public string NameOf(int of) => of < ClassNames.Count ? Excerpt.Of(ClassNames[of]) : $"{of}";

    /// <summary>Returns the most probable classes of an image.</summary>
    /// <param name="batch">The batch with the image.</param>
    /// <param name="index">Its index there.</param>
    /// <param name="probabilities">The probabilities of all classes.</param>
    /// <param name="top">The number of classes.</param>
    public Prediction Judge(Batch batch, int index, ReadOnlySpan<float> probabilities, int top)
    {
        int sample = batch.Samples[index];
        string image = Image(sample);
        int? label = Dataset.Targets is [_] ? batch.Classes[index] : null;
        if (Dataset is ImageFiles files && files.Skipped.TryGetValue(sample, out string? failure))
            return new Prediction(image, label, []) { Error = failure };
        var all = new (int Class, double Probability)[probabilities.Length];
        for (int i = 0; i < all.Length; i++)
            all[i] = (i, probabilities[i]);
        return Array.TrueForAll(all, each => double.IsFinite(each.Probability))
            ? new Prediction(image, label, [.. all.OrderByDescending(each => each.Probability).Take(top)])
            : new Prediction(image, label, [])
            {
                Error = $"{image}: a score is not a finite number.",
                IsNotFinite = true,
            };
    }
}
