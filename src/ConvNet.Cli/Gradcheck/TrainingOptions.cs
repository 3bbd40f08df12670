using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The options that describe the training whose plan is checked.</summary>
internal sealed class TrainingOptions
{
    // The batch size of train.
    private const int UsualBatch = 32;

    private readonly LossOptions _loss;
    private readonly Option<bool> _keepGradients;
    private readonly OptimizerOptions _optimizer = new();

    /// <summary>Adds the options to a command.</summary>
    public TrainingOptions(Verb verb)
    {
        _loss = new LossOptions(Loss.BuiltIn.Declarations, "Loss of the checked training: ",
            "that of the saved training, otherwise one that suits the output");
        _keepGradients = new Option<bool>("--keep-gradients")
        {
            Description = "Check a training that keeps its gradients. Without it, the update may be part of the "
                + "backward pass, as in train.",
        };
        foreach (Option option in (IEnumerable<Option>)[.. _loss.All,
            .. _optimizer.All.Where(option => option.Name != "--lr"),
            _keepGradients])
            verb.Add(option);
    }

    /// <summary>Returns the options of a check with the training of a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="options">The options of the check.</param>
    /// <param name="graph">The network.</param>
    /// <param name="saved">The training that is saved with the network; null if there is none.</param>
    /// <param name="batch">The batch size; null for that of the saved training or the usual one.</param>
    public GradientCheckOptions With(ParseResult command, GradientCheckOptions options, Graph graph,
        TrainingSpec? saved, int? batch)
    {
        Losses usual = saved?.Losses ?? GradientCheckOptions.LossesFor(graph);
        Losses losses = _loss.Of(command, usual is [{ Loss: var only }] ? only : null) is { } loss ? loss : usual;
        return options with
        {
            Training = new TrainingSpec(batch ?? saved?.BatchSize ?? UsualBatch, losses,
                _optimizer.Of(command, saved?.Optimizer))
            {
                KeepGradients = command.GetValue(_keepGradients),
                Seed = options.Seed,
            },
        };
    }
}
