using System.Text.Json;
using ConvNet.Data;

namespace ConvNet.Onnx;

/// <summary>Options of an <see cref="OnnxExport"/>.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The range of <see cref="OperatorSet"/>.</summary>
    public const int OldestOperatorSet = 17, NewestOperatorSet = 24;

    // The key of the metadata.
    internal const string Classes = "classes";

    /// <summary>The version of the operators of domain <c>ai.onnx</c>, from 17 to 24. By default 20, which ONNX Runtime
    /// 1.17 and later read, and which has an operator for every activation of this library.</summary>
    public int OperatorSet { get; init; } = 20;

    /// <summary>Whether a batch normalisation behind a convolution or a linear layer that nothing else reads is folded
    /// into its weights and bias. The model is smaller and faster; the names of these parameters are then those of the
    /// layers with <c>/folded</c> behind them.</summary>
    public bool FoldBatchNorm { get; init; }

    /// <summary>The normalisation of the only input. The model then reads pixels, under the name <c>pixels</c>, and
    /// normalises them itself. By default it reads normalised values.</summary>
    public Normalization? Normalization { get; init; }

    /// <summary>The names of the classes, for the metadata; empty for none.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>The metadata of the model: <c>classes</c> is a JSON array of names.</summary>
    internal IEnumerable<(string Key, string Text)> Metadata => ClassNames.Count == 0 ? []
        : [(Classes, JsonSerializer.Serialize(ClassNames, OnnxJson.Default.IReadOnlyListString))];

    /// <summary>Throws unless the options are valid.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The operator set is out of range.</exception>
    internal void Check()
    {
        if (OperatorSet is < OldestOperatorSet or > NewestOperatorSet)
            throw new ArgumentOutOfRangeException(nameof(OperatorSet), $"The operator set is {OperatorSet}; it must be "
                + $"from {OldestOperatorSet} to {NewestOperatorSet}.");
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(OnnxExportOptions), (nameof(OperatorSet), OperatorSet),
        (nameof(FoldBatchNorm), FoldBatchNorm), (nameof(Normalization), Normalization),
        (nameof(ClassNames), ClassNames));
}
