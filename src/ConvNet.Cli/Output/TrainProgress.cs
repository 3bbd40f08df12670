using System.Diagnostics;
using System.Globalization;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Shows the progress of training: a line per epoch and, on a terminal, a progress bar below.</summary>
internal static class TrainProgress
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    // The width of the rest of the line: percentage, remaining time, and the space between and after columns.
    private const int BesideBar = 4 + 8 + 4, WidestBar = 40, NarrowestBar = 10;

    // The share of the time from which waiting for batches is worth a change.
    private const double NoticeableShare = 0.05;

    // With fewer lines, as terminals of unknown size have, Spectre cannot draw the bar and throws.
    private const int FewestLines = 5;

    /// <summary>Runs training and shows its progress.</summary>
    /// <param name="terminal">The terminal.</param>
    /// <param name="options">The options, without callbacks.</param>
    /// <param name="tested">What the images are for that are tested after every epoch: test or validation.</param>
    /// <param name="train">Trains with the given options.</param>
    public static TrainingResult Show(Terminal terminal, TrainerOptions options, string tested,
        Func<TrainerOptions, TrainingResult> train)
        => terminal.IsInteractive ? Bar(terminal.People, options, tested, train)
            : Lines(terminal.People, options, tested, train);

    /// <summary>Runs training with a line per epoch and, if there is room, a progress bar, which disappears at the
    /// end.</summary>
    internal static TrainingResult Bar(
        IAnsiConsole people, TrainerOptions options, string tested, Func<TrainerOptions, TrainingResult> train)
    {
        if (people.Profile.Height < FewestLines)
            return Lines(people, options, tested, train);
        int width = people.Profile.Width, bar = Math.Clamp(width / 4, NarrowestBar, WidestBar);
        // The bar is drawn by the thread that trains: an exception in a thread of the bar's own would end the program.
        return people.Progress()
            .AutoClear(true)
            .AutoRefresh(false)
            .Columns(new ProgressBarColumn { Width = bar }, new PercentageColumn(), new RemainingTimeColumn(),
                new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                ProgressTask task = context.AddTask("starting");
                context.Refresh();
                long shown = 0;
                return train(options with
                {
                    OnStep = step =>
                    {
                        if (shown != 0 && step.Step < step.Steps && Stopwatch.GetElapsedTime(shown) < Refresh)
                            return;
                        shown = Stopwatch.GetTimestamp();
                        (task.MaxValue, task.Value) = (step.Steps, step.Step);
                        task.Description = Description(step, options, width - bar - BesideBar);
                        context.Refresh();
                    },
                    OnEpoch = epoch => people.WriteLine(Line(epoch, options, tested)),
                });
            });
    }

    private static TrainingResult Lines(
        IAnsiConsole people, TrainerOptions options, string tested, Func<TrainerOptions, TrainingResult> train)
        => train(options with { OnEpoch = epoch => people.WriteLine(Line(epoch, options, tested)) });

    /// <summary>Says for how long the network has waited for batches.</summary>
    /// <param name="result">The results of the training.</param>
    /// <param name="workers">The number of threads that prepare batches ahead.</param>
    public static string StallText(TrainingResult result, int workers)
    {
        double seconds = result.Epochs.Sum(epoch => epoch.Seconds);
        double share = seconds > 0 ? result.StallSeconds / seconds : 0;
        string more = share < NoticeableShare ? "" : workers == 0
            ? "; with --workers, threads prepare batches ahead"
            : "; more --workers may help";
        return Text($"waited for {result.Stalls:N0} batches, {result.StallSeconds:F2} s ({share:0.0%}){more}");
    }

    private static string Line(EpochReport epoch, TrainerOptions options, string tested)
        => Text($"epoch {epoch.Epoch}/{options.Epochs}  loss {epoch.Loss:F4}  ")
            + (epoch.TrainAccuracy is { } accuracy ? Text($"train {accuracy:0.00%}  ") : "")
            + Text($"{tested} {epoch.TestAccuracy:0.00%}  {epoch.Seconds:F2} s  {epoch.ImagesPerSecond:N0} images/s");

    // As much as fits on one line, most important first.
    private static string Description(StepReport step, TrainerOptions options, int room)
    {
        string text = Text($"epoch {step.Epoch}/{options.Epochs}");
        foreach (string figure in (string[])[Text($"loss {step.Loss:F4}"),
            .. step.Accuracy is { } accuracy ? (string[])[Text($"train {accuracy:0.00%}")] : [],
            Text($"{step.ImagesPerSecond:N0} images/s")])
        {
            if (text.Length + 2 + figure.Length > room)
                break;
            text += $"  {figure}";
        }
        return text;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
