using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>A benchmark case: one pass of a layer or of a named network.</summary>
/// <param name="Shape">The layer. Null for a network.</param>
/// <param name="Model">The name of the network. Null for a layer.</param>
/// <param name="Batch">The batch size.</param>
/// <param name="Pass">The pass.</param>
/// <param name="Threads">The number of threads.</param>
public sealed record Case(LayerShape? Shape, string? Model, int Batch, BenchPass Pass, int Threads)
{
    /// <summary>Creates a case for a pass of a layer.</summary>
    public static Case Of(LayerShape shape, BenchPass pass, int threads)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return new Case(shape, null, shape.Batch, pass, threads);
    }

    /// <summary>Creates a case for a pass of a network.</summary>
    public static Case Of(string model, int batch, BenchPass pass, int threads)
        => new(null, model, batch, pass, threads);

    /// <summary>The display name.</summary>
    public string Title => Shape?.Name ?? Shape?.ToString() ?? Model!;

    /// <summary>Cases with equal values share their workers. Each network has its own workers, so that their peak
    /// memory is that of the network.</summary>
    internal object Isolation => Shape is not null ? Shape : this;

    /// <summary>Creates the request that prepares the case.</summary>
    internal Request ToRequest(BenchSettings settings, string algorithm) => new(Order.Prepare)
    {
        Shape = Shape?.ToString(),
        Model = Model,
        Batch = Batch,
        Pass = Pass.Word(),
        Threads = Threads,
        Isa = settings.Isa,
        Algorithm = algorithm,
        Precision = settings.Precision,
    };
}
