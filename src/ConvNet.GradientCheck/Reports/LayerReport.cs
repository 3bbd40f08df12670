namespace ConvNet.GradientChecking;

/// <summary>The outcome of a comparison.</summary>
public enum Verdict
{
    /// <summary>Every element agrees.</summary>
    Pass,

    /// <summary>A deviation is accepted by a <see cref="Baseline"/>.</summary>
    Accepted,

    /// <summary>An element is wrong.</summary>
    Fail,
}

/// <summary>The comparison of one tensor.</summary>
/// <param name="Name"><c>y</c>, <c>dx</c>, <c>dw</c>, <c>db</c> or the name of another parameter's gradient or of a
/// buffer.</param>
/// <param name="Elements">The number of elements compared.</param>
/// <param name="WorstInBounds">The largest error as a multiple of its bound. A value above 1 exceeds the bound;
/// infinity means that no error was allowed.</param>
/// <param name="WorstInUlps">The distance of that element from the rounded reference value, in units in the last
/// place.</param>
/// <param name="Index">The index of that element in the tensor.</param>
/// <param name="Got">The value of that element.</param>
/// <param name="Truth">The value of that element in the double reference.</param>
/// <param name="Failed">The number of wrong elements.</param>
/// <param name="Suspects">The number of elements whose error exceeds its bound, but not n·u·Σ|terms|, and of which
/// another comparison has shown that only their roundings were unlucky.</param>
/// <param name="Flips">The number of elements left out because both branches of a kink are correct within the
/// error. For a tensor of a whole network that is wrong, the number of values near a kink.</param>
public sealed record TensorReport(
    string Name, int Elements, double WorstInBounds, long WorstInUlps, int Index, double Got, double Truth, int Failed,
        int Suspects, int Flips = 0)
{
    /// <summary>What the values were compared with, if it is not the double reference.</summary>
    public string Against { get; init; } = "";

    /// <summary>The number of elements in the whole tensor. Only a sample of them may have been compared.</summary>
    public int Length { get; init; } = Elements;

    /// <summary>n, the number of terms in the tensor's longest sum; 0 if nothing is summed.</summary>
    public int Terms { get; init; }

    /// <summary>The judgement of a deviation by a <see cref="Baseline"/>. Null if nothing deviates or no entry covers
    /// the tensor.</summary>
    public Acceptance? Acceptance { get; init; }

    /// <summary>Whether an element is wrong, accepted or not.</summary>
    internal bool Deviates => Failed > 0;

    /// <summary>The outcome of the comparison.</summary>
    public Verdict Verdict => Acceptance is { Outcome: AcceptanceOutcome.Accepted } ? Verdict.Accepted
        : Failed > 0 ? Verdict.Fail : Verdict.Pass;
}

/// <summary>The comparison of one layer, or of several consecutive layers, on one backend.</summary>
/// <param name="Backend">The backend and its instruction set, such as <c>native/avx2</c>, or the name of a
/// <see cref="BackendVariant"/>; <c>reference</c> for the reference itself.</param>
/// <param name="Layer">The name of the node, or of the first and the last one if there are several.</param>
/// <param name="Kind">The kind of the layer.</param>
/// <param name="Mode">The mode of the comparison.</param>
/// <param name="Tensors">The comparisons of the tensors.</param>
/// <param name="Remark">An additional remark; empty if there is none.</param>
public sealed record LayerReport(
    string Backend, string Layer, string Kind, CheckModes Mode, IReadOnlyList<TensorReport> Tensors, string Remark = "")
{
    /// <summary>The name in place of a backend where the reference itself is checked.</summary>
    internal const string Reference = "reference";

    /// <summary>The worst verdict of all tensors.</summary>
    public Verdict Verdict => Tensors.Select(t => t.Verdict).DefaultIfEmpty().Max();

    /// <summary>Returns one line per tensor: what was compared, its error and the allowed error.</summary>
    public override string ToString() => Tensors.Count == 0
        ? $"{Layer} on {Backend}, {GradientWords.Of(Mode)}: nothing was "
            + $"compared{(Remark.Length > 0 ? $" ({Remark})" : "")}"
        : string.Join('\n', Tensors.Select(tensor => GradientWords.Explain(this, tensor)));
}

/// <summary>A node at which exact mode has to restart with new values.</summary>
/// <param name="Layer">The name of the node.</param>
/// <param name="Reason">Why its values are not exact from there on.</param>
public sealed record ExactGap(string Layer, string Reason);
