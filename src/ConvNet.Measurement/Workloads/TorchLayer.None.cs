namespace ConvNet.Measurement;

/// <summary>What stands in for torch's layers in a build without libtorch: its backend says how to get one before it
/// comes to this.</summary>
internal static class TorchLayer
{
    public static Workload Create(IBackend backend, LayerShape shape, BenchPass pass)
        => throw new NotSupportedException($"{shape} cannot run {pass.Word()} on {backend.Info.Name}: this build has "
            + "no libtorch.");
}
