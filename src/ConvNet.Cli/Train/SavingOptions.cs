using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Onnx;
using ConvNet.Serialization;
using Spectre.Console;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that save a training, resume one, and start from saved weights.</summary>
internal sealed class SavingOptions
{
    private const int DefaultKeep = 3;

    private readonly Option _model;
    private readonly Option<string?> _checkpoint, _save, _resume, _weights;
    private readonly Option<CheckpointInterval?> _every;
    private readonly Option<int?> _keep;

    /// <summary>Adds the options to a verb.</summary>
    /// <param name="verb">The verb.</param>
    /// <param name="model">The option that names the network of a new training.</param>
    public SavingOptions(Verb verb, Option model)
    {
        _model = model;
        _checkpoint = verb.Optional<string>("--checkpoint", "Save checkpoints in this folder: the last few and that of "
            + "the best epoch. A training that is killed at any moment resumes from them with --resume.", "DIR");
        _every = verb.Optional<CheckpointInterval?>("--every", "How often a checkpoint is saved: 500steps, 30s, 10min, "
            + "2h, epoch or 5epochs. Default: epoch.", "INTERVAL");
        _every.CustomParser = result =>
        {
            try
            {
                return CheckpointInterval.Parse(result.Tokens[0].Value);
            }
            catch (FormatException error)
            {
                result.AddError($"{_every.Name}: {error.Message}");
                return null;
            }
        };
        _keep = verb.OptionalNumber("--keep", $"Number of checkpoints that are kept. Default: {DefaultKeep}.",
            NumberRanges.FromOne, "K");
        _save = verb.Written("--save", "Save the model and the state of the training to this safetensors file after "
            + "every epoch and on interruption. The file of --resume or --weights is replaced completely or not at "
            + "all.");
        _resume = verb.Optional<string>("--resume", "Resume the training of a saved file, or of the newest intact "
            + "checkpoint in a folder, where its checkpoints are then saved too. Without PATH: that of --checkpoint; "
            + "if there is no checkpoint yet, a new training starts. Data, options and state are the saved ones; "
            + "options of the command take precedence.", "PATH");
        _resume.Arity = ArgumentArity.ZeroOrOne;
        _resume.Aliases.Add("--load");
        _weights = verb.Optional<string>("--weights", "Start a new training with the network and the weights of a "
            + "saved model or an ONNX model (.onnx).", "FILE");
        foreach (Option<string?> file in (Option<string?>[])[_resume, _weights])
        {
            verb.Files.Add(file, FileUse.Read, command => Verb.ValueOf(command, file));
            verb.Files.AllowReplacement(_save, file);
        }
    }

    /// <summary>Opens the folder of the checkpoints; null if none are saved.</summary>
    /// <exception cref="ArgumentException">An option needs a folder, or the folder has checkpoints that the command
    /// does not resume.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another process has it open.</exception>
    public CheckpointFolder? OpenFolder(ParseResult command)
    {
        if (FolderOf(command) is { } path)
        {
            CheckSaveAgainst(command, path);
            var folder = CheckpointFolder.Open(path);
            if (Resumes(command) || folder.Files is not [.., var newest])
                return folder;
            folder.Dispose();
            throw new ArgumentException($"{folder.Path} contains checkpoints, the newest {newest}. To continue their "
                + $"training, add {_resume.Name}. To start a new one, name another folder.");
        }
        foreach (Option option in (Option[])[_every, _keep])
        {
            if (Verb.IsGiven(command, option))
                throw Verb.WithoutIts(option, _checkpoint);
        }
        return null;
    }

    /// <summary>Loads what the training begins with.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Receives warnings about damaged checkpoints.</param>
    public TrainStart Load(ParseResult command, Terminal terminal)
    {
        string? weights = command.GetValue(_weights);
        if (Verb.IsGiven(command, _resume))
        {
            string path = PathToResume(command);
            if (command.GetValue(_resume) is not null && weights is not null)
                throw new ArgumentException($"{_resume.Name} resumes a training and {_weights.Name} starts a new one. "
                    + "Use one of them.");
            // The folder of --checkpoint may not exist yet on a rank that does not save.
            if (!Directory.Exists(path) && command.GetValue(_resume) is not null)
                return LoadFile(path);
            if (CheckpointFolder.FindNewest(path) is { } found)
                return Resumed(terminal, found);
            if (command.GetValue(_resume) is not null)
                throw new ArgumentException($"{path} contains no checkpoint. To start a new training there, use "
                    + $"{_checkpoint.Name} {Verb.Quoted(path)}.");
            terminal.People.WriteLine($"{path} has no checkpoint yet: a new training starts");
        }
        if (weights is null)
            return TrainStart.New;
        (SavedModel model, IReadOnlyList<string> constants, IReadOnlyList<string> parts) = NetworkFile.Open(weights);
        if (Verb.IsGiven(command, _model))
            throw new ArgumentException($"The file of {_weights.Name} contains the network. Omit {_model.Name}.");
        NetworkFile.CheckKept(_save, command.GetValue(_save), parts);
        return new TrainStart(weights, model, null) { Constants = constants };
    }

    /// <summary>Throws if a training has already completed more epochs than it is to have.</summary>
    /// <param name="command">The command.</param>
    /// <param name="start">What the training begins with.</param>
    /// <param name="epochs">The number of epochs that it is to have.</param>
    public void CheckEpochs(ParseResult command, TrainStart start, int epochs)
    {
        int done = (start.GoesOn?.Progress.Position.Epoch ?? 1) - 1;
        // To resume the completed training of a folder computes its results once more.
        bool isFolder = FolderOf(command) is not null;
        if (done < epochs || done == epochs && isFolder)
            return;
        throw new ArgumentException($"The training in {start.File} has completed {done} of its {epochs} epochs. To "
            + $"continue, use --epochs {done + 1} or more. To start a new training, use {_weights.Name} "
            + $"{Verb.Quoted(start.File!)}.");
    }

    /// <summary>Throws if the training could not be saved where the command says.</summary>
    public void Check(ParseResult command, CheckpointFolder? folder, Graph graph, Normalization normalization,
        SavedTraining training)
    {
        if (command.GetValue(_save) is { } save && OnnxImport.IsModel(save))
            throw new ArgumentException($"{_save.Name} writes a safetensors file, so that {save} would not be read as "
                + "one. Name a file with the extension .safetensors; convnet export --load makes an ONNX model of it.");
        if (command.GetValue(_save) is { } saved)
            SavedModel.CheckPath(saved, graph, normalization, training);
        folder?.Check(graph, training, KeepOf(command), normalization);
    }

    /// <summary>Creates the callbacks that save the training.</summary>
    public CheckpointCallback[] Callbacks(ParseResult command, Terminal terminal, CheckpointFolder? folder,
        Normalization normalization, SavedTraining training)
    {
        string? save = command.GetValue(_save);
        if ((folder?.Path ?? save) is { } path)
            terminal.SavesAtInterruption(CommandToResume(command, path));
        var options = new CheckpointOptions
        {
            Keep = KeepOf(command),
            OnFailure = error => terminal.Warn($"{error.Message} The training goes on."),
        };
        CheckpointOptions ofFolder = options with { Every = command.GetValue(_every) ?? options.Every };
        return
        [
            .. save is null ? (CheckpointCallback[])[]
                : [new CheckpointCallback(save, training, normalization, options) { OnSaved = Saved(save) }],
            .. folder is null ? (CheckpointCallback[])[]
                : [new CheckpointCallback(folder, training, normalization, ofFolder) { OnSaved = Saved(folder.Path) }],
        ];

        Action<string> Saved(string name) => _ =>
        {
            terminal.Wrote(name);
            terminal.CanResume();
        };
    }

    /// <summary>Whether a command resumes a training, or would if there were one.</summary>
    public bool Resumes(ParseResult command) => Verb.IsGiven(command, _resume);

    /// <summary>The file of <c>--save</c>; null if it is not given.</summary>
    public string? SavedTo(ParseResult command) => command.GetValue(_save);

    private string? FolderOf(ParseResult command)
        => command.GetValue(_checkpoint) ?? (command.GetValue(_resume) is { } path && Directory.Exists(path) ? path
            : null);

    private void CheckSaveAgainst(ParseResult command, string folder)
    {
        if (command.GetValue(_save) is not { } save)
            return;
        string file = NamedFiles.Behind(save), behind = NamedFiles.Behind(folder);
        if (file == behind)
            throw new ArgumentException($"{_save.Name} and {_checkpoint.Name} both name {folder}, but one is a file "
                + "and the other a folder. Use different names.");
        if (Path.GetDirectoryName(file) == behind && CheckpointFolder.IsOwn(Path.GetFileName(file)))
            throw new ArgumentException($"{_save.Name} names {save}, which the checkpoints in {folder} would replace. "
                + "Use another name.");
    }

    private string PathToResume(ParseResult command) => command.GetValue(_resume) ?? command.GetValue(_checkpoint)
        ?? throw new ArgumentException($"{_resume.Name} needs a value: {_resume.Name} PATH, or {_checkpoint.Name} DIR "
            + "beside it.");

    private int KeepOf(ParseResult command) => command.GetValue(_keep) ?? DefaultKeep;

    private TrainStart LoadFile(string path)
    {
        SavedModel saved;
        try
        {
            saved = NetworkFile.Load(path);
        }
        catch (InvalidDataException error) when (CheckpointFolder.FindBefore(path) is { } before)
        {
            throw new InvalidDataException($"{error.Message} The checkpoint before it is intact: {_resume.Name} "
                + $"{Verb.Quoted(before.File)}.", error);
        }
        SavedTraining goesOn = saved.Training ?? throw new InvalidDataException(
            $"{path} contains a model but no training to resume. To start a new one, use {_weights.Name} "
            + $"{Verb.Quoted(path)}.");
        return new TrainStart(path, saved, goesOn);
    }

    private static TrainStart Resumed(Terminal terminal, FoundCheckpoint found)
    {
        foreach (string reason in found.Damaged)
            terminal.Warn(reason);
        if (found.Damaged.Count > 0)
            terminal.Warn($"the training resumes from the checkpoint before, {found.File}.");
        return new TrainStart(found.File, found.Model, found.Model.Training);
    }

    // The network and the weights are those of the file.
    private string CommandToResume(ParseResult command, string path)
        => $"{Verb.CommandLineOf(command, _checkpoint, _resume, _weights, _model)} {_resume.Name} {Verb.Quoted(path)}";
}
