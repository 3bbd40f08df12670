namespace ConvNet;

/// <summary>Compiles graphs into executables and runs them.</summary>
public interface IBackend : IDisposable
{
    /// <summary>What the backend runs on.</summary>
    BackendInfo Info { get; }

    /// <summary>Compiles a graph for training.</summary>
    /// <exception cref="NotSupportedException">The backend does not support a layer, the loss or the optimiser; the
    /// message names it.</exception>
    /// <exception cref="ArgumentNullException">An argument, or the losses or the optimiser of the spec, is
    /// null.</exception>
    /// <exception cref="ArgumentException">
    /// The graph has no layers, has a node that leads to no output, or has several layers that no other reads and no
    /// declared outputs; or a loss names an output, or the optimiser a parameter, that the graph does not have.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is less than 1, or so large that a tensor has more
    /// than 2³¹ − 1 values.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The backend is disposed.</exception>
    IExecutable Compile(Graph graph, TrainingSpec spec);

    /// <summary>Compiles a graph for inference only. No gradients are computed, and batch normalisation may be folded
    /// into the adjacent layer.</summary>
    /// <inheritdoc cref="Compile" path="/exception"/>
    IExecutable CompileInference(Graph graph, int batchSize);
}
