namespace ConvNet.Measurement;

/// <summary>Replaces the torch layers in a build without libtorch. The backend reports the missing library before this
/// is reached.</summary>
internal static class TorchLayer
{
    public static Workload Create(IBackend backend, LayerShape shape, BenchPass pass)
        => throw new NotSupportedException($"{shape} cannot run {pass.Word()} on {backend.Info.Name}: this build does "
            + "not include libtorch.");
}
