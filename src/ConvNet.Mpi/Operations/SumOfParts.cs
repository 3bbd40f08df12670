namespace ConvNet.Mpi.Operations;

/// <summary>Sums that are complete together.</summary>
internal sealed class SumOfParts(IReadOnlyList<ICollective> parts) : ICollective
{
    public TimeSpan Duration => parts.Max(part => part.Duration);

    public void Wait()
    {
        foreach (ICollective part in parts)
            part.Wait();
    }
}
