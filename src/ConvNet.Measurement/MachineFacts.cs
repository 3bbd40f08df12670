namespace ConvNet.Measurement;

/// <summary>The machine and its measured limits.</summary>
/// <param name="Processor">The name of the processor.</param>
/// <param name="Processors">The number of logical processors.</param>
/// <param name="System">The operating system.</param>
/// <param name="Runtime">The .NET version.</param>
/// <param name="Peaks">The FMA peak for each thread count.</param>
/// <param name="MemoryGBs">The memory bandwidth with the highest thread count, in GB/s.</param>
public sealed record MachineFacts(string Processor, int Processors, string System, string Runtime,
    IReadOnlyList<ThreadPeak> Peaks, double MemoryGBs)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(MachineFacts), (nameof(Processor), Processor),
        (nameof(Processors), Processors), (nameof(System), System), (nameof(Runtime), Runtime),
        (nameof(Peaks), Peaks), (nameof(MemoryGBs), MemoryGBs));
}

/// <summary>The FMA peak for a thread count.</summary>
/// <param name="Threads">The number of threads.</param>
/// <param name="Gflops">The peak in GFLOP/s. A multiply-add counts as two operations.</param>
public sealed record ThreadPeak(int Threads, double Gflops);
