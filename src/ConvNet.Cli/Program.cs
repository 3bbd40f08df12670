using ConvNet.Cli;
using ConvNet.Cli.Verbs;

// The program that started a worker ends it; signals from the terminal do what they do to any program.
if (args is [WorkerVerb.Word, ..])
    return App.Run(args, Console.Out, Console.Error);
var files = new FilesWritten();
using var interruption = new Interruption(files);
int code = App.Run(args, LossyWriter.StandardOutput(), Console.Error, files, interruption.Token);
return code == App.Interrupted ? interruption.ExitCode : code;
