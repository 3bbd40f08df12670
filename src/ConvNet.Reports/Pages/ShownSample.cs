namespace ConvNet.Reports.Pages;

/// <summary>An image that a network is shown.</summary>
/// <param name="Name">The name of the image.</param>
/// <param name="Pixels">The values, C×H×W, from 0 to the largest pixel value of the normalisation.</param>
/// <param name="Label">The true class, if it is known.</param>
/// <param name="ClassNames">The names of the classes; empty if there are none.</param>
public sealed record ShownSample(string Name, float[] Pixels, int? Label, IReadOnlyList<string> ClassNames)
{
    /// <summary>Returns the name of a class, or <c>class</c> and its number if it has no name.</summary>
    public string NameOf(int label) => label < ClassNames.Count ? ClassNames[label] : $"class {label}";

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ShownSample), (nameof(Name), Name),
        (nameof(Label), Label), (nameof(ClassNames), ClassNames));
}
