using static System.FormattableString;

namespace ConvNet.GradientChecking;

/// <summary>A step of the plan of a backend and how often its results were compared.</summary>
/// <param name="Backend">The name of the backend in reports.</param>
/// <param name="Purpose"><c>training</c> or <c>inference</c>.</param>
/// <param name="Operation">The nodes that the backend runs as one operation, such as <c>conv1 + relu1</c>.</param>
/// <param name="Pass">The part of the pass.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Algorithm">The algorithm of the kernel.</param>
/// <param name="Threads">The number of threads.</param>
/// <param name="Batch">The number of samples.</param>
/// <param name="Exact">How many results were compared with tolerance zero.</param>
/// <param name="Bounded">How many results were compared within an error bound.</param>
public sealed record PlanStep(string Backend, string Purpose, string Operation, PlannedPass Pass, string Kernel,
    string Algorithm, int Threads, int Batch, long Exact, long Bounded)
{
    /// <summary>Whether the results of the step were compared at all.</summary>
    public bool IsCovered => Exact + Bounded > 0;

    /// <summary>Returns the step and its counts in one line.</summary>
    public override string ToString() => Invariant($"{Backend}, {Purpose}, {Operation}: {Kernel}, {Algorithm}, ")
        + Invariant($"{Threads} threads, batch {Batch}: {Exact:N0} values exact, {Bounded:N0} within bounds");
}
