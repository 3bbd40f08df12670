using System.Runtime.CompilerServices;

namespace ConvNet;

/// <summary>The largest tensor of a compiled graph, to be named in an out-of-memory error.</summary>
/// <param name="BatchSize">The number of samples in a full batch.</param>
/// <param name="Largest">The tensor.</param>
/// <param name="LargestBytes">Its size in bytes.</param>
internal sealed record MemoryNeed(int BatchSize, string Largest, long LargestBytes)
{
    /// <summary>Finds the largest tensor among the outputs of a batch and the parameters.</summary>
    /// <typeparam name="T">The type of a value.</typeparam>
    public static MemoryNeed Of<T>(Graph graph, int batchSize) where T : unmanaged
    {
        Node output = graph.Nodes.MaxBy(node => node.Shape.Length)!;
        Parameter? parameter = graph.Parameters.MaxBy(p => p.Length);
        long values = (long)batchSize * output.Shape.Length;
        return parameter?.Length > values
            ? new MemoryNeed(batchSize, $"the parameter {parameter}", (long)parameter.Length * Unsafe.SizeOf<T>())
            : new MemoryNeed(batchSize, $"a batch of {output.Shape} of \"{output.Name}\"", values * Unsafe.SizeOf<T>());
    }

    /// <summary>Creates the exception for insufficient memory.</summary>
    /// <param name="bytes">The number of bytes requested.</param>
    /// <param name="error">The error reported by the system.</param>
    public InsufficientMemoryException Exceeded(long bytes, Exception error) => new(
        $"There is not enough memory: batches of {BatchSize} need {Text(bytes)}. "
        + $"The largest tensor is {Largest}, {Text(LargestBytes)}."
        + (BatchSize > 1 ? " Use a smaller batch." : ""), error);

    private static string Text(long bytes) => bytes < 1_000_000_000 ? $"{bytes / 1e6:N1} MB" : $"{bytes / 1e9:N1} GB";
}
