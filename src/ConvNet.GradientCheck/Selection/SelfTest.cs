using System.Diagnostics;
using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>What the self-test of a backend found.</summary>
/// <param name="Passed">Whether every value is right.</param>
/// <param name="Checked">Values that were compared.</param>
/// <param name="Milliseconds">How long it took.</param>
/// <param name="Finding">The same in words; where it failed, the first value that is wrong.</param>
public sealed record SelfTestResult(bool Passed, long Checked, double Milliseconds, string Finding);

/// <summary>A gradient check that takes milliseconds, for when a backend starts: a library that does not fit, or a
/// processor that it does not know, shows.</summary>
/// <remarks>
/// A small network of convolutions, ReLU, pooling and a linear layer on whole numbers so small that float32 never
/// rounds: layer by layer and together, through a step of the optimiser, every value must be equal to the reference bit
/// for bit. <see cref="GradientCheck"/> checks a network of one's own.
/// </remarks>
public static class SelfTest
{
    /// <summary>Tests a backend. One that throws where it should compute has failed.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="cancellation">Ends the test between two runs of a layer or of the network.</param>
    /// <exception cref="NotSupportedException">The backend lacks a layer; the message names it.</exception>
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
