using System.Diagnostics;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Shows a training while it runs: a bar on a terminal, a line per epoch anywhere else.</summary>
internal static class TrainProgress
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs a training and shows it.</summary>
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="options">The options, without callbacks.</param>
    /// <param name="train">Trains with the options it is given.</param>
    public static TrainingResult Show(Terminal terminal, TrainerOptions options, Func<TrainerOptions, TrainingResult> train)
        => terminal.IsInteractive ? Bar(terminal, options, train) : Lines(terminal, options, train);

    private static TrainingResult Lines(Terminal terminal, TrainerOptions options, Func<TrainerOptions, TrainingResult> train)
        => train(options with
        {
            OnEpoch = epoch => terminal.People.WriteLine(
                $"epoch {epoch.Epoch}/{options.Epochs}  loss {epoch.Loss:F4}  train {epoch.TrainAccuracy:0.00%}  test {epoch.TestAccuracy:0.00%}  "
                + $"{epoch.Seconds:F2} s  {epoch.ImagesPerSecond:N0} images/s"),
        });

    private static TrainingResult Bar(Terminal terminal, TrainerOptions options, Func<TrainerOptions, TrainingResult> train)
    {
        return terminal.People.Progress()
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                ProgressTask task = context.AddTask("starting");
                double? test = null;
                long shown = 0;
                return train(options with
                {
                    OnStep = step =>
                    {
                        if (shown != 0 && step.Step < step.Steps && Stopwatch.GetElapsedTime(shown) < Refresh)
                            return;
                        shown = Stopwatch.GetTimestamp();
                        (task.MaxValue, task.Value) = (step.Steps, step.Step);
                        task.Description = $"epoch {step.Epoch}/{options.Epochs}  loss {step.Loss:F4}  train {step.Accuracy:0.00%}"
                            + (test is null ? "" : $"  test {test:0.00%}") + $"  {step.ImagesPerSecond:N0} images/s";
                    },
                    OnEpoch = epoch => test = epoch.TestAccuracy,
                });
            });
    }
}
