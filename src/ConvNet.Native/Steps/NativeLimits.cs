using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>Checks a graph against the limits of the kernels, before anything is planned.</summary>
internal static class NativeLimits
{
    /// <summary>Throws if a node exceeds a limit of convnet.h.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <exception cref="NotSupportedException">A size is too large. The message names the node and the
    /// limit.</exception>
    public static void Check(Graph graph, int batchSize)
    {
        if (batchSize > Convnet.CN_MOST_SIZE)
            throw Beyond(graph.Inputs[0], $"{batchSize:N0} samples in a batch");
        foreach (Node node in graph.Nodes)
        {
            if (node.Shape.C > Convnet.CN_MOST_SIZE)
                throw Beyond(node, $"{node.Shape.C:N0} channels");
            if (node.Shape.Area > Convnet.CN_MOST_SIZE)
                throw Beyond(node, $"{(long)node.Shape.H * node.Shape.W:N0} pixels in a map");
            foreach (Parameter parameter in node.Parameters.Where(p => p.Dimensions.Count == 4))
            {
                long taps = (long)parameter.Dimensions[2] * parameter.Dimensions[3];
                if (taps > Convnet.CN_MOST_SIZE)
                    throw Beyond(node, $"{taps:N0} weights per channel of a filter");
            }
            if (LoweringTable.PoolOf(node) is { Kind: cn_pool_kind.CN_POOL_MAX, Window: var window }
                && PixelsInside(window, node.Inputs[0].Shape) is > Convnet.CN_MOST_MAXIMUM and var pixels)
                throw Beyond(node, $"{pixels:N0} pixels in a window", Convnet.CN_MOST_MAXIMUM);
        }
    }

    /// <summary>Returns the exception for a node that the library itself rejected.</summary>
    public static NotSupportedException Refused(Node node, NativeCallException error)
        => new($"The native backend cannot run {node}: {error.Message}", error);

    private static long PixelsInside(Window window, Shape x)
        => (long)Math.Min(window.Kernel.H, x.H) * Math.Min(window.Kernel.W, x.W);

    private static NotSupportedException Beyond(Node node, string what, int limit = Convnet.CN_MOST_SIZE)
        => new($"The native backend cannot run {node}: it has {what}; the limit is {limit:N0}.");
}
