using ConvNet.Diagnostics;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Something to check: a network, or a layer by itself.</summary>
/// <param name="Title">What people call it.</param>
/// <param name="Arguments">The options that name it on the command line.</param>
/// <param name="Check">Checks it on backends.</param>
internal sealed record Subject(string Title, string Arguments, Func<IReadOnlyList<IBackend>, GradientReport> Check)
{
    /// <summary>A network.</summary>
    /// <param name="model">Its name or file.</param>
    /// <param name="input">The shape of the images; its own unless given.</param>
    /// <param name="options">How it is checked.</param>
    public static Subject Model(string model, Shape? input, GradientCheckOptions options)
    {
        Graph graph = ModelChoice.Open(model, input);
        string images = input is { } shape ? $" --input {shape.C}x{shape.H}x{shape.W}" : "";
        return new Subject(model, $"--model {model}{images} --batch {options.BatchSize}", backends => GradientCheck.Run(graph, backends, options));
    }
}
