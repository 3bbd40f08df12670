namespace ConvNet.GradientChecking;

/// <summary>How a comparison ended, from best to worst.</summary>
public enum Verdict
{
    /// <summary>Every element agrees.</summary>
    Pass,

    /// <summary>An element is beyond the probable error, but not beyond the possible one.</summary>
    Suspect,

    /// <summary>An element is wrong.</summary>
    Fail,
}

/// <summary>The comparison of one tensor.</summary>
/// <param name="Name"><c>y</c>, <c>dx</c>, <c>dw</c>, <c>db</c> or the name of another parameter's gradient or of a
/// buffer.</param>
/// <param name="Elements">Elements compared.</param>
/// <param name="WorstInBounds">The largest error in units of its bound: above 1 is too much; infinite where no error is
/// allowed.</param>
/// <param name="WorstInUlps">The distance of that element from the rounded truth in representable values.</param>
/// <param name="Index">The place of that element in the tensor.</param>
/// <param name="Got">Its value.</param>
/// <param name="Truth">Its value in the double reference.</param>
/// <param name="Failed">Elements that are wrong.</param>
/// <param name="Suspects">Elements over their bound, but not over n·u·Σ|terms|.</param>
/// <param name="Flips">Elements left out because both branches of a kink are right within the error.</param>
public sealed record TensorReport(
    string Name, int Elements, double WorstInBounds, long WorstInUlps, int Index, double Got, double Truth, int Failed,
        int Suspects, int Flips = 0)
{
    /// <summary>What the values were compared with, where it is not the double reference.</summary>
    public string Against { get; init; } = "";

    /// <summary>Elements of the whole tensor, of which a sample may have been compared.</summary>
    public int Length { get; init; } = Elements;

    /// <summary>n, the terms of the tensor's longest sum; 0 where nothing is summed.</summary>
    public int Terms { get; init; }

    /// <summary>How the comparison ended.</summary>
    public Verdict Verdict => Failed > 0 ? Verdict.Fail : Suspects > 0 ? Verdict.Suspect : Verdict.Pass;
}

/// <summary>The comparison of one layer, or of several together, on one backend.</summary>
/// <param name="Backend">The backend and its instruction set, as <c>native/avx2</c>, or the name of a
/// <see cref="BackendVariant"/>; <c>reference</c> for the reference itself.</param>
/// <param name="Layer">The node's name; first and last where there are several.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="Mode">What was compared with what.</param>
/// <param name="Tensors">The tensors.</param>
/// <param name="Remark">What else there is to say; empty for nothing.</param>
public sealed record LayerReport(
    string Backend, string Layer, string Kind, CheckModes Mode, IReadOnlyList<TensorReport> Tensors, string Remark = "")
{
    /// <summary>The worst verdict of the tensors.</summary>
    public Verdict Verdict => Tensors.Select(t => t.Verdict).DefaultIfEmpty().Max();

    /// <summary>A line for every tensor: what was compared, how far it is off, and what is allowed.</summary>
    public override string ToString() => Tensors.Count == 0
        ? $"{Layer} on {Backend}, {GradientWords.Of(Mode)}: nothing was "
            + $"compared{(Remark.Length > 0 ? $" ({Remark})" : "")}"
        : string.Join('\n', Tensors.Select(tensor => GradientWords.Explain(this, tensor)));
}

/// <summary>A place where exact mode starts anew.</summary>
/// <param name="Layer">The node.</param>
/// <param name="Reason">Why its values are not exact from there on.</param>
public sealed record ExactCut(string Layer, string Reason);
