using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>The options of a command for the schedule of the learning rate: <c>--schedule</c>, the attributes that the
/// schedules declare, and <c>--warmup</c>.</summary>
internal sealed class ScheduleOptions
{
    private const string WarmUpName = "--warmup", WarmUpStartName = "--warmup-start";

    private readonly DeclaredOptions<LearningRateSchedule> _schedule = new("--schedule", "schedule-",
        LearningRateSchedule.BuiltIn.Declarations, kind => kind.Attributes.Any(each => each.Default is null) ? null
            : LearningRateSchedule.BuiltIn.Make(kind.Kind));

    private readonly Option<int> _warmUp;
    private readonly Option<double?> _warmUpStart;

    /// <summary>Creates the options.</summary>
    public ScheduleOptions()
    {
        _warmUp = new Option<int>(WarmUpName)
        {
            Description = "Number of epochs in which the learning rate rises to its value, before the schedule. "
                + "Default: 0.",
            HelpName = "N",
            CustomParser = result => Verb.Read(result, WarmUpName, NumberRanges.Whole(0, int.MaxValue)),
        };
        _warmUpStart = new Option<double?>(WarmUpStartName)
        {
            Description = "Factor of the learning rate at the start of --warmup. Default: 0.01.",
            HelpName = "FACTOR",
            CustomParser = result => Verb.Read(result, WarmUpStartName,
                NumberRanges.Double(NumberInterval.FromZero, "0.01")),
        };
    }

    /// <summary>All options, in the order of the help text.</summary>
    public IEnumerable<Option> All => [_schedule.Kind, .. _schedule.Attributes, _warmUp, _warmUpStart];

    /// <summary>Creates the schedule of a command: a new one if an option is given, otherwise that of the resumed
    /// training.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The schedule of the resumed training; null for a new training.</param>
    /// <exception cref="ArgumentException">An option does not belong to the schedule, or is missing.</exception>
    public LearningRateSchedule Of(ParseResult command, LearningRateSchedule? goesOn)
    {
        bool isGiven = _schedule.IsGiven(command) || Verb.IsGiven(command, _warmUp)
            || command.GetValue(_warmUpStart) is not null;
        if (goesOn is not null && !isGiven)
            return goesOn;
        LearningRateSchedule schedule = _schedule.Of(command, null, _schedule.KindOf(command)!);
        int length = command.GetValue(_warmUp);
        if (length == 0)
            return command.GetValue(_warmUpStart) is null ? schedule : throw Verb.WithoutIts(_warmUpStart, _warmUp);
        return new SequentialSchedule([new LinearSchedule(command.GetValue(_warmUpStart) ?? 0.01, 1, length), schedule],
            [length]);
    }

    /// <summary>Returns the value of every option of a schedule.</summary>
    public IEnumerable<(string Name, string Value)> Facts(LearningRateSchedule schedule)
    {
        if (schedule.Declaration is { } kind)
            return _schedule.Facts(schedule, kind);
        var sequence = (SequentialSchedule)schedule;
        return [("Milestones of the schedules", $"{sequence.Milestones}"), .. sequence.Schedules.SelectMany(Facts)];
    }
}
