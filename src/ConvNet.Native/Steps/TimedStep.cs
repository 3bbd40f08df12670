using ConvNet.Profiling;

namespace ConvNet.Native.Steps;

/// <summary>A step that says how long it took. It stands in a list in the place of the other while somebody
/// records.</summary>
internal sealed class TimedStep(Step step, Recording recording, int part) : Step([.. step.Slots])
{
    /// <inheritdoc/>
    public override void Run(in Run run)
    {
        using var timer = new PartTimer(recording, part);
        step.Run(run);
    }
}
