using ConvNet.Profiling;

namespace ConvNet.Native.Steps;

/// <summary>Runs a step and records its time. It replaces the step in its list while a recording is active.</summary>
internal sealed class TimedStep(Step step, Recording recording, int part) : Step([.. step.Slots])
{
    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        using var timer = new PartTimer(recording, part);
        step.Run(run);
    }
}
