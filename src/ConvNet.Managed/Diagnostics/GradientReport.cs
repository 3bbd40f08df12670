namespace ConvNet.Diagnostics;

/// <summary>The ways to compare gradients; see <see cref="GradientCheck"/>.</summary>
[Flags]
public enum CheckModes
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Layer by layer on whole numbers small enough that float32 never rounds: bit for bit.</summary>
    Exact = 1,

    /// <summary>Layer by layer on real numbers, against the double reference and its error bound.</summary>
    Real = 2,

    /// <summary>Several layers at a time on whole numbers, through one optimiser step: bit for bit.</summary>
    Segments = 4,

    /// <summary>The whole network: as close to the double run as a float32 run can be.</summary>
    EndToEnd = 8,

    /// <summary>The double reference itself against finite differences.</summary>
    FiniteDifferences = 16,

    /// <summary>All of them.</summary>
    All = Exact | Real | Segments | EndToEnd | FiniteDifferences,
}

/// <summary>How the real numbers of a check are distributed.</summary>
public enum RealValues
{
    /// <summary>Uniform around 0.</summary>
    Uniform,

    /// <summary>Normal around 0.</summary>
    Normal,

    /// <summary>Inputs as behind a ReLU: half of them 0, the others positive and normal.</summary>
    Rectified,

    /// <summary>Of very different magnitudes: powers of two from 2⁻¹² to 1 times uniform ones.</summary>
    Wide,
}

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

/// <summary>How a gradient check is done.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>The comparisons to make.</summary>
    public CheckModes Modes { get; init; } = CheckModes.All;

    /// <summary>Samples in a batch, 1 or more; a power of two keeps a mean over it exact.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no sample.</exception>
    public int BatchSize
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"A batch of {value} samples has no gradients to "
                + "check; the batch size starts at 1.");
    } = 4;

    /// <summary>A layer of more multiply-adds than that is compared on a sample of its results in real-valued mode and
    /// with finite differences; exact mode compares all of them.</summary>
    public long MostTerms { get; init; } = 1 << 25;

    /// <summary>Ends the check with an <see cref="OperationCanceledException"/>, between two runs of a layer or of the
    /// network.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The seed of all values.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How real numbers are distributed where a layer is checked by itself.</summary>
    public RealValues Values { get; init; }

    /// <summary>The largest magnitude of the whole numbers that a layer is given in exact mode, from 1 to 16.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public int LargestInteger
    {
        get;
        init => field = value is >= 1 and <= 16
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"Whole numbers of up to {value} in magnitude are "
                + "not used; the largest is from 1 to 16.");
    } = 16;

    /// <summary>What the outcome depends on: all but <see cref="Cancellation"/>.</summary>
    public override string ToString() => RecordText.Of(nameof(GradientCheckOptions), (nameof(Modes), Modes),
        (nameof(BatchSize), BatchSize), (nameof(MostTerms), MostTerms), (nameof(Seed), Seed), (nameof(Values), Values),
        (nameof(LargestInteger), LargestInteger));
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

    /// <summary>The report with what different numbers of threads gave, where the backend compares them.</summary>
    internal LayerReport ComparedOn(IBackend backend) => backend is BackendVariant variant ? this
        with
    { Tensors = [.. Tensors, .. variant.TakeComparisons()] } : this;
}

/// <summary>A place where exact mode starts anew.</summary>
/// <param name="Layer">The node.</param>
/// <param name="Reason">Why its values are not exact from there on.</param>
public sealed record ExactCut(string Layer, string Reason);

/// <summary>The outcome of a gradient check.</summary>
/// <remarks><see cref="ToString"/> says what is wrong where; <see cref="ThrowIfFailed"/> makes a test of it, in any
/// framework.</remarks>
/// <param name="Layers">All comparisons.</param>
/// <param name="Cuts">Where exact mode was cut.</param>
public sealed record GradientReport(IReadOnlyList<LayerReport> Layers, IReadOnlyList<ExactCut> Cuts)
{
    private const int FailuresInWords = 10;

    /// <summary>What was checked and how, as <see cref="GradientCaseFile"/> writes it; null where that is a loss, or
    /// where the report is put together from others.</summary>
    public GradientCase? Case => Origin?.Case;

    /// <summary>Elements compared.</summary>
    public long Checked => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Elements));

    /// <summary>Elements that are wrong.</summary>
    public long Failed => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Failed));

    /// <summary>Elements that are suspect.</summary>
    public long Suspects => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Suspects));

    /// <summary>The worst verdict; a suspect element of a tensor that exact mode passes is taken for right.</summary>
    public Verdict Verdict => Layers.Select(Decided).DefaultIfEmpty().Max();

    /// <summary>The comparison that is worst: a wrong one before a suspect one, then the largest error in units of its
    /// bound; null where nothing was compared.</summary>
    public (LayerReport Layer, TensorReport Tensor)? Worst => Comparisons
        .Select(row => ((LayerReport, TensorReport)?)row)
        .MaxBy(row => (row!.Value.Item2.Verdict, row.Value.Item2.WorstInBounds));

    /// <summary>The comparisons that did not pass, the worst first.</summary>
    public IEnumerable<(LayerReport Layer, TensorReport Tensor)> Failures => Comparisons
        .Where(row => row.Tensor.Verdict != Verdict.Pass)
        .OrderByDescending(row => row.Tensor.Verdict).ThenByDescending(row => row.Tensor.WorstInBounds);

    /// <summary>How the report came about; null where it is put together from others.</summary>
    internal CheckOrigin? Origin { get; init; }

    private IEnumerable<(LayerReport Layer, TensorReport Tensor)> Comparisons
        => Layers.SelectMany(layer => layer.Tensors, (layer, tensor) => (Layer: layer, Tensor: tensor));

    /// <summary>The verdict, what is wrong with both values and the bound, the worst first, and how to get the same
    /// again.</summary>
    public override string ToString() => Text(Again(file: null));

    /// <summary>Throws unless something was compared and everything passed: the assertion of a test, whatever its
    /// framework.</summary>
    /// <remarks>What was checked is written to a file, so that <c>convnet gradcheck --case</c> shows the failure again;
    /// a layer of one's own has no form in JSON,
    /// and then the message names the call instead.</remarks>
    /// <param name="caseFile">The file; unless given a new one in the current folder, <c>gradcheck-failure.json</c> or
    /// with -2 and so on behind its name.</param>
    /// <exception cref="GradientCheckException">Something is wrong, or suspect and not cleared by exact mode, or
    /// nothing was compared; the message is the report with the
    /// command that shows it again.</exception>
    public void ThrowIfFailed(string? caseFile = null)
    {
        if (Checked == 0)
            throw new GradientCheckException(Text(again: ""), this);
        if (Verdict == Verdict.Pass)
            return;
        string again;
        try
        {
            bool isCommand = Case is not null && Origin!.Command("", Disagreeing) is not null;
            string? file = isCommand ? Path.GetFullPath(caseFile ?? FailureFile.Unused()) : null;
            if (file is not null)
                GradientCaseFile.Save(file, Case!);
            again = Again(file);
        }
        catch (NotSupportedException)
        {
            again = Again(file: null);
        }
        // That a file cannot be written must not hide what is wrong.
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            again = $"{Again(file: null)}\nThe case could not be written: {failure.Message}";
        }
        throw new GradientCheckException(Text(again), this);
    }

    // The backends that disagree, as the report calls them.
    private string[] Disagreeing => [.. Failures.Select(row => row.Layer.Backend).Distinct()];

    private string Text(string again)
    {
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. Failures];
        List<string> lines = [Checked > 0 ? GradientWords.Summary(this)
            : "nothing was compared: no backend and mode of this check has a value to look at"];
        lines.AddRange(failures.Take(FailuresInWords).Select(row => GradientWords.Explain(row.Layer, row.Tensor)));
        if (failures.Length > FailuresInWords)
            lines.Add($"and {failures.Length - FailuresInWords} more");
        if (failures.Length == 0 && Worst is { Tensor.WorstInBounds: > 0 } worst)
            lines.Add($"The worst: {GradientWords.Explain(worst.Layer, worst.Tensor)}");
        lines.AddRange(Cuts.Select(cut => $"exact mode is cut at {cut.Layer}: {cut.Reason}"));
        if (failures.Length > 0 && again.Length > 0)
            lines.Add($"again: {again}");
        return string.Join('\n', lines);
    }

    // The command for a file with the case; without one the call. Empty where nothing is known of how the report came
    // about.
    private string Again(string? file)
        => Origin is null ? "" : file is null ? Origin.Call(Disagreeing) : Origin.Command(file, Disagreeing)!;

    private Verdict Decided(LayerReport layer) => layer.Verdict == Verdict.Suspect
        && layer.Tensors.All(t => t.Verdict == Verdict.Pass || PassesExactly(layer, t))
        ? Verdict.Pass
        : layer.Verdict;

    private bool PassesExactly(LayerReport suspect, TensorReport tensor) => Layers.Any(l => l.Mode == CheckModes.Exact
        && l.Backend == suspect.Backend && l.Layer == suspect.Layer
            && l.Tensors.Any(t => t.Name == tensor.Name && t.Verdict == Verdict.Pass));
}
