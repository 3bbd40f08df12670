using ConvNet.Cli;
using ConvNet.Cli.Verbs;

// A worker is ended by the program that started it, so it keeps the default signal handling.
if (args is [WorkerVerb.Word, ..])
    return App.Run(args, Console.Out, Console.Error);
var files = new FilesWritten();
using var interruption = new Interruption(files);
int code = App.Run(args, LossyWriter.StandardOutput(), Console.Error, files, interruption.Token);
return code == ExitCode.Interrupted ? interruption.ExitCode : code;
