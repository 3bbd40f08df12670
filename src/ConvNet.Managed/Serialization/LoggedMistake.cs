namespace ConvNet.Serialization;

/// <summary>A sample that a network classifies wrongly, in the log of its training.</summary>
/// <param name="Sample">The index of the sample in its data set, from 0.</param>
/// <param name="Truth">The true class, from 0.</param>
/// <param name="Guess">The class with the highest probability, from 0.</param>
/// <param name="Probability">The probability of <paramref name="Guess"/>, from 0 to 1.</param>
/// <param name="TrueProbability">The probability of <paramref name="Truth"/>, from 0 to 1.</param>
/// <param name="Png">A PNG file of the sample.</param>
public sealed record LoggedMistake(int Sample, int Truth, int Guess, double Probability, double TrueProbability,
    ReadOnlyMemory<byte> Png)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LoggedMistake), (nameof(Sample), Sample),
        (nameof(Truth), Truth), (nameof(Guess), Guess), (nameof(Probability), Probability),
        (nameof(TrueProbability), TrueProbability), ("Bytes", Png.Length));
}
