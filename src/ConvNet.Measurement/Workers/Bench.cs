using ConvNet.Backends;
using ConvNet.GradientChecking;

namespace ConvNet.Measurement.Workers;

/// <summary>Makes the workloads of one backend.</summary>
internal abstract class Bench(string backend, Func<string, Shape?, Graph> models) : IDisposable
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

    /// <summary>Makes the backend.</summary>
    protected virtual IBackend Open(Request request) => BackendRegistry.Create(backend, OptionsOf(request));

    /// <summary>What a request asks of a backend.</summary>
    protected static BackendOptions OptionsOf(Request request) => new()
    {
        Threads = request.Threads,
        Isa = request.Isa is { } isa ? Enum.Parse<NativeIsa>(isa, ignoreCase: true) : null,
        Precision = request.Precision is { } precision ? Enum.Parse<Precision>(precision, ignoreCase: true)
            : Precision.Fast,
        Algorithm = AlgorithmNames.Parse(request.Algorithm),
        Padding = BackendRegistry.All.FirstOrDefault(known => known.PaddingWord == request.Padding)?.Padding
            ?? ChannelPadding.WhereNeeded,
    };

    /// <summary>Creates the workload of a layer pass.</summary>
    protected abstract Workload Layer(IBackend backend, LayerShape shape, BenchPass pass);
}

/// <summary>The bench of the native backend.</summary>
internal sealed class NativeBench(Func<string, Shape?, Graph> models) : Bench("native", models)
{
    /// <summary>The backend of a request.</summary>
    public static NativeBackend Backend(Request request)
        => (NativeBackend)BackendRegistry.Create("native", OptionsOf(request));

    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => NativeLayer.Create((NativeBackend)backend, shape, pass);
}

/// <summary>The bench of torch.</summary>
internal class TorchSharpBench(Func<string, Shape?, Graph> models) : Bench("torchsharp", models)
{
    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => TorchLayer.Create(backend, shape, pass);
}

/// <summary>The bench of the reference.</summary>
internal sealed class ManagedBench(Func<string, Shape?, Graph> models) : Bench("managed", models)
{
    /// <inheritdoc/>
    protected override Workload Layer(IBackend backend, LayerShape shape, BenchPass pass)
        => new ManagedLayer(backend, shape, pass);
}
