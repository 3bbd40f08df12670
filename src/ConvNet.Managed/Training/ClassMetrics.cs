namespace ConvNet.Training;

/// <summary>The results of a class, from the predictions of a <see cref="ClassEvaluation"/>.</summary>
/// <remarks>With TP correct predictions of the class, FP predictions of it for other classes, and FN of others for it:
/// precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN). A
/// fraction of nothing is 0.</remarks>
/// <param name="Class">The class.</param>
/// <param name="Count">The number of samples or pixels of the class: TP + FN.</param>
/// <param name="Predicted">The number of predictions of the class: TP + FP.</param>
/// <param name="Correct">The number of them that are correct: TP.</param>
public readonly record struct ClassMetrics(int Class, long Count, long Predicted, long Correct)
{
    /// <summary>The mean cross-entropy of the samples or pixels of the class, as in
    /// <see cref="ClassEvaluation.CrossEntropy"/>.</summary>
    public double CrossEntropy { get; init; }

    /// <summary>The fraction of the predictions of the class that are correct.</summary>
    public double Precision => Fraction(Correct, Predicted);

    /// <summary>The fraction of the samples or pixels of the class that were classified as it.</summary>
    public double Recall => Fraction(Correct, Count);

    /// <summary>The harmonic mean of precision and recall.</summary>
    public double F1 => Fraction(2 * Correct, Count + Predicted);

    /// <summary>The intersection over the union of the class and of its predictions, also called the Jaccard
    /// index.</summary>
    public double IntersectionOverUnion => Fraction(Correct, Count + Predicted - Correct);

    private static double Fraction(long part, long whole) => whole == 0 ? 0 : (double)part / whole;
}
