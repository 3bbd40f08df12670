using ConvNet.Cli;
using ConvNet.Cli.Ranks;
using ConvNet.Cli.Verbs;
using ConvNet.Mpi;

// mpirun gives its ranks a terminal, to which .NET would write control sequences; they would end up in the output.
if (Launcher.IsPresent)
    Environment.SetEnvironmentVariable("TERM", null);
// A worker is ended by the program that started it, so it keeps the default signal handling.
if (args is [WorkerVerb.Word, ..])
    return App.Run(args, Console.Out, Console.Error);
RankGroup? ranks = null;
try
{
    ranks = RankGroup.Join(args, Console.Error);
}
catch (Exception missing) when (missing is MpiUnavailableException or MpiException)
{
    if (Launcher.Rank == 0)
        Console.Error.WriteLine($"convnet: {missing.Message}");
    return ExitCode.WrongUsage;
}
using (ranks)
{
    bool prints = ranks is null or { IsFirst: true };
    var files = new FilesWritten();
    using var interruption = new Interruption(files, isQuiet: !prints);
    int code = App.Run(args, prints ? LossyWriter.StandardOutput() : TextWriter.Null,
        ranks?.Messages ?? Console.Error, files, ranks, interruption.Token);
    ranks?.End(code);
    return code == ExitCode.Interrupted ? interruption.ExitCode : code;
}
