using System.Diagnostics;
using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>The result of a backend's self-test.</summary>
/// <param name="Passed">Whether all values are correct.</param>
/// <param name="Checked">The number of values compared.</param>
/// <param name="Milliseconds">The duration of the test.</param>
/// <param name="Finding">A description of the result. If the test failed, it names the first wrong value.</param>
public sealed record SelfTestResult(bool Passed, long Checked, double Milliseconds, string Finding);

/// <summary>A gradient check that takes milliseconds, to run when a backend starts. It detects a mismatched library and
/// an unsupported processor.</summary>
/// <remarks>
/// Runs a small network of convolutions, ReLU, pooling and a linear layer on integers so small that float32 never
/// rounds. Every value must equal the reference bit for bit, layer by layer and for the whole network through one
/// optimiser step. Use <see cref="GradientCheck"/> to check other networks.
/// </remarks>
public static class SelfTest
{
    /// <summary>Tests a backend. A backend that throws during a computation fails the test.</summary>
    /// <param name="backend">The backend to test.</param>
    /// <param name="cancellation">Cancels the test between two runs of a layer or of the network.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backend"/> is null.</exception>
    /// <exception cref="NotSupportedException">The backend does not support a layer; the message names it.</exception>
    public static SelfTestResult Of(IBackend backend, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(backend);
        long start = Stopwatch.GetTimestamp();
        var graph = Sequential.Of(new Shape(3, 8, 8),
            new Conv2d(16, 3, padding: 1), new Relu(), new MaxPool2d(2), new Conv2d(20, 3, padding: 1), new Relu(),
                new MaxPool2d(2), new Flatten(), new Linear(5));
        var options = new GradientCheckOptions
        {
            BatchSize = 2,
            Modes = CheckModes.Exact | CheckModes.Segments,
            Cancellation = cancellation,
        };
        GradientReport report;
        try
        {
            report = GradientCheck.Run(graph, [backend], options);
        }
        catch (Exception failure)
            when (failure is not (OperationCanceledException or NotSupportedException or InsufficientMemoryException))
        {
            return new SelfTestResult(false, 0, Stopwatch.GetElapsedTime(start).TotalMilliseconds,
                $"failed its self-test: {failure.GetType().Name}: {Excerpt.Of(failure.Message)}");
        }
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        return new SelfTestResult(report.Verdict == Verdict.Pass, report.Checked, milliseconds,
            Words(report, milliseconds));
    }

    private static string Words(GradientReport report, double milliseconds)
    {
        if (report.Layers.FirstOrDefault(layer => layer.Verdict != Verdict.Pass) is not { } layer)
            return string.Create(CultureInfo.InvariantCulture, $"passed its self-test of {report.Checked:N0} values "
                + $"in {milliseconds:0} ms");
        TensorReport tensor = layer.Tensors.First(tensor => tensor.Verdict != Verdict.Pass);
        return string.Create(CultureInfo.InvariantCulture, $"failed its self-test: {layer.Layer}: "
            + $"{tensor.Name}[{tensor.Index}] is {tensor.Got:G9} and should be {tensor.Truth:G9}");
    }
}
