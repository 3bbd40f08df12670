using ConvNet.GradientChecking;

namespace ConvNet.Measurement.Workers;

/// <summary>Creates the workloads of one backend.</summary>
internal abstract class Bench(Func<string, Shape?, Graph> models) : IDisposable
{
    private IBackend? _backend;

    /// <summary>The backend library with its version.</summary>
    public string Library => _backend is { Info: var info } ? $"{info.Name} {info.Version} ({info.Isa})" : "";

    /// <summary>Returns the bench of a backend.</summary>
    /// <exception cref="ArgumentException">The backend name is unknown.</exception>
    public static Bench Of(string backend, Func<string, Shape?, Graph> models) => backend switch
    {
        "native" => new NativeBench(models),
        "torchsharp" => new TorchSharpBench(models),
        "managed" => new ManagedBench(models),
        _ => throw new ArgumentException($"There is no backend \"{backend}\" to measure."),
    };

    /// <summary>Loads the backend with the thread count of a request, before memory is measured.</summary>
    public void Load(Request request)
    {
        _backend?.Dispose();
        _backend = Open(request);
    }

    /// <summary>Creates the workload of a request.</summary>
    public virtual Workload Create(Request request)
    {
        var pass = BenchPasses.Parse(request.Pass ?? "");
        if (request.Shape is not { } shape)
            return new ModelWorkload(_backend!, Model(request), request.Batch, pass);
        return pass.IsLayerPass()
            ? Layer(_backend!, LayerShape.Parse(shape), pass)
            : throw new ArgumentException($"{pass.Word()} is a network pass; layers support fwd, bwd_d and bwd_w.");
    }

    /// <summary>Checks gradients.</summary>
    public GradientAgreement Check(Request request) => QuickCheck.Of(Model(request), _backend!);

    /// <summary>Runs the self-test of the backend.</summary>
    public SelfTestResult Test() => SelfTest.Of(_backend!);

    /// <summary>Frees the backend.</summary>
    public void Dispose() => _backend?.Dispose();

    private Graph Model(Request request)
        => models(request.Model ?? "", request.Input is { } input ? Shape.Parse(input) : null);

    /// <summary>Creates the backend.</summary>
    protected abstract IBackend Open(Request request);

    /// <summary>Creates the workload of a layer pass.</summary>
    protected abstract Workload Layer(IBackend backend, LayerShape shape, BenchPass pass);
}

/// <summary>The bench of the native backend.</summary>
internal sealed class NativeBench(Func<string, Shape?, Graph> models) : Bench(models)
{
    /// <summary>Creates the backend of a request.</summary>
    public static NativeBackend Backend(Request request) => new(
        request.Threads,
        request.Isa is { } isa ? Enum.Parse<NativeIsa>(isa, ignoreCase: true) : null,
        request.Precision is { } precision ? Enum.Parse<Precision>(precision, ignoreCase: true) : Precision.Fast)
    {
        Algorithm = AlgorithmNames.Parse(request.Algorithm),
    };

    /// <inheritdoc/>
    protected override IBackend Open(Request request) => Backend(request);

    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => NativeLayer.Create((NativeBackend)backend, shape, pass);
}

/// <summary>The bench of the torchsharp backend.</summary>
internal class TorchSharpBench(Func<string, Shape?, Graph> models) : Bench(models)
{
    /// <inheritdoc/>
    protected override IBackend Open(Request request)
        => new TorchSharpBackend(request.Threads, padding: TorchVariants.PaddingOf(request.Padding));

    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => TorchLayer.Create(backend, shape, pass);
}

/// <summary>The bench of the managed backend.</summary>
internal sealed class ManagedBench(Func<string, Shape?, Graph> models) : Bench(models)
{
    /// <inheritdoc/>
    protected override IBackend Open(Request request) => new ManagedBackend(request.Threads);

    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => new ManagedLayer(backend, shape, pass);
}
