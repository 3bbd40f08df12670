using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>Something to measure on every backend: a pass of a layer, or of a network by its name.</summary>
/// <param name="Shape">The layer; null where it is a network.</param>
/// <param name="Model">The network; null where it is a layer.</param>
/// <param name="Batch">Samples of a call.</param>
/// <param name="Pass">The pass.</param>
/// <param name="Threads">Threads that compute.</param>
public sealed record Case(LayerShape? Shape, string? Model, int Batch, BenchPass Pass, int Threads)
{
    /// <summary>A pass of a layer.</summary>
    public static Case Of(LayerShape shape, BenchPass pass, int threads)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return new Case(shape, null, shape.Batch, pass, threads);
    }

    /// <summary>A pass of a network.</summary>
    public static Case Of(string model, int batch, BenchPass pass, int threads)
        => new(null, model, batch, pass, threads);

    /// <summary>What people call it.</summary>
    public string Title => Shape?.Name ?? Shape?.ToString() ?? Model!;

    /// <summary>Cases that may share their workers. A network has its workers for itself: their peak of memory is its
    /// own.</summary>
    internal object Isolation => Shape is not null ? Shape : this;

    /// <summary>The order to prepare it.</summary>
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
