using System.Globalization;
using System.Text.RegularExpressions;
using ConvNet.Data;
using ConvNet.Training;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A folder with the checkpoints of one training: the last few, and that of the best epoch.</summary>
/// <remarks>
/// A checkpoint is a file of <see cref="SavedModel"/> with its training, named after the position of the next batch:
/// <c>epoch-0003-batch-000120.safetensors</c>. Files are written completely or not at all, also if the program is
/// killed. While a folder is open, no other process can open it, because the two would delete each other's files.
/// </remarks>
/// <example><code>
/// using var folder = CheckpointFolder.Open("run1");
/// var training = new SavedTraining(spec, options, loader.Options, loader.Dataset.Count, TrainingProgress.Start);
/// var trainer = new Trainer(net, options with { Callbacks = [new CheckpointCallback(folder, training)] });
/// trainer.Train(loader, test);
///
/// FoundCheckpoint found = CheckpointFolder.FindNewest("run1")!;      // in another process
/// found.Model.LoadStateInto(net);
/// </code></example>
public sealed partial class CheckpointFolder : IDisposable
{
    private const string Extension = ".safetensors", BestName = "best" + Extension, LockFile = "lock";

    private readonly FileStream _lock;

    private CheckpointFolder(string path, FileStream held) => (Path, _lock) = (path, held);

    /// <summary>The path of the folder.</summary>
    public string Path { get; }

    /// <summary>The path of the checkpoint of the best epoch. The file exists once an epoch is complete.</summary>
    public string BestFile => System.IO.Path.Combine(Path, BestName);

    /// <summary>The checkpoints, oldest first, without that of the best epoch.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the folder.</exception>
    public IReadOnlyList<string> Files => FilesIn(Path);

    /// <summary>Opens a folder for saving, and creates it if it does not exist. Files that a terminated program left
    /// unfinished are removed.</summary>
    /// <param name="path">The path of the folder.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="IOException">The folder cannot be created or written, or another process has it
    /// open.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder.</exception>
    public static CheckpointFolder Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            throw new IOException($"{path} is a file. Name a folder for checkpoints.");
        FileStream held;
        try
        {
            Directory.CreateDirectory(path);
            string file = System.IO.Path.Combine(path, LockFile);
            held = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new UnauthorizedAccessException($"{path}: there is no permission to write to this folder. Name "
                + "another folder for checkpoints.", error);
        }
        catch (IOException error)
        {
            throw new IOException($"{path}: checkpoints cannot be saved in this folder, or another program is saving "
                + $"its own there: {error.Message} Wait for it to end, or name another folder.", error);
        }
        AtomicFile.RemoveStale(path, name => name.EndsWith(Extension, StringComparison.Ordinal));
        return new CheckpointFolder(path, held);
    }

    /// <summary>Loads the newest intact checkpoint of a folder.</summary>
    /// <param name="path">The path of the folder.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <param name="kinds">The recognised parts of a training; by default those of this library.</param>
    /// <returns>The checkpoint; null if the folder does not exist or has no checkpoint.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="InvalidDataException">All checkpoints are damaged. The message names them.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read a file.</exception>
    public static FoundCheckpoint? FindNewest(string path, LayerSet? layers = null, TrainingKinds? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Directory.Exists(path) ? FirstIntact(path, FilesIn(path).Reverse(), layers, kinds) : null;
    }

    /// <summary>Loads the newest intact checkpoint that is older than another one of the same folder.</summary>
    /// <param name="file">The path of the other checkpoint, which may be damaged.</param>
    /// <param name="layers">The recognised layers; by default those of this library.</param>
    /// <param name="kinds">The recognised parts of a training; by default those of this library.</param>
    /// <returns>The checkpoint; null if there is none, or the file is not in a folder of checkpoints.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="file"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">All older checkpoints are damaged. The message names them.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read a file.</exception>
    public static FoundCheckpoint? FindBefore(string file, LayerSet? layers = null, TrainingKinds? kinds = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        string folder = System.IO.Path.GetDirectoryName(file) is { Length: > 0 } named ? named : ".";
        if (!IsCheckpoint(file) || !Directory.Exists(folder))
            return null;
        return FirstIntact(folder, FilesIn(folder).Reverse()
            .Where(other => PositionOf(other).CompareTo(PositionOf(file)) < 0), layers, kinds);
    }

    private static FoundCheckpoint? FirstIntact(string folder, IEnumerable<string> files, LayerSet? layers,
        TrainingKinds? kinds)
    {
        var damaged = new List<string>();
        foreach (string file in files)
        {
            try
            {
                var model = SavedModel.Load(file, layers: layers, kinds: kinds);
                if (model.Training is not null)
                    return new FoundCheckpoint(file, model, damaged);
                damaged.Add($"{file}: it contains a model but no training to resume.");
            }
            catch (Exception error) when (error is InvalidDataException or IOException)
            {
                damaged.Add(error.Message);
            }
        }
        return damaged.Count == 0 ? null : throw new InvalidDataException(
            $"{folder}: none of its checkpoints can be read. {string.Join(' ', damaged)} Name another folder to start "
            + "a new training.");
    }

    /// <summary>Throws if the checkpoints of a training could not be saved, also if the disk has too little space for
    /// them. Call it before the training.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="training">The training.</param>
    /// <param name="keep">The number of checkpoints that are kept, from 1.</param>
    /// <param name="normalization">The normalisation of the images.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> or <paramref name="training"/> is
    /// null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="keep"/> is less than 1.</exception>
    /// <exception cref="ArgumentException">The path of the folder is empty.</exception>
    /// <exception cref="NotSupportedException">
    /// A layer of the graph or a part of the training has no JSON form, or the JSON is too large for the header of the
    /// file.
    /// </exception>
    /// <exception cref="IOException">The files cannot be written, or the disk has too little space.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder.</exception>
    public void Check(Graph graph, SavedTraining training, int keep = 3, Normalization? normalization = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        // That of the best epoch, and one that is being written while all others are still there.
        int files = keep + 2, present = Files.Count + (File.Exists(BestFile) ? 1 : 0);
        SavedModel.CheckPath(FileAt(training.Progress.Position), graph, normalization, training,
            Math.Max(1, files - present));
    }

    /// <summary>Saves a checkpoint and deletes the oldest ones.</summary>
    /// <param name="executable">The executable that is trained.</param>
    /// <param name="training">The training with its progress.</param>
    /// <param name="keep">The number of checkpoints that are kept, including this one, from 1.</param>
    /// <param name="normalization">The normalisation of the images, to be stored in the file; null for none.</param>
    /// <param name="averages">The averages of the weights; required if the training averages them.</param>
    /// <returns>The path of the file.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="keep"/> is less than 1.</exception>
    /// <inheritdoc cref="SavedModel.Save" path="/exception"/>
    public string Save(IExecutable executable, SavedTraining training, int keep = 3,
        Normalization? normalization = null, AveragedWeights? averages = null)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        string file = FileAt(training.Progress.Position);
        SavedModel.Save(file, executable, normalization, training: training, averages: averages);
        // A file beyond this position was damaged, or is of a training that was resumed from an older checkpoint.
        string[] others = [.. Files.Where(other => other != file)];
        foreach (string other in others.Where(other => PositionOf(other).CompareTo(PositionOf(file)) > 0)
            .Concat(others.Where(other => PositionOf(other).CompareTo(PositionOf(file)) < 0).SkipLast(keep - 1)))
            Delete(other);
        return file;
    }

    /// <summary>Allows other processes to open the folder.</summary>
    public void Dispose() => _lock.Dispose();

    private string FileAt(LoaderPosition next) => System.IO.Path.Combine(Path,
        Invariant($"epoch-{next.Epoch:0000}-batch-{next.Batch:000000}") + Extension);

    // A file that cannot be deleted takes space, but does no other harm.
    private static void Delete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Returns the checkpoints of a folder, the oldest first.</summary>
    internal static string[] FilesIn(string folder)
        => [.. Directory.EnumerateFiles(folder).Where(IsCheckpoint).OrderBy(PositionOf)];

    /// <summary>Whether a folder replaces or deletes files of this name.</summary>
    internal static bool IsOwn(string name) => name is BestName or LockFile || IsCheckpoint(name);

    private static bool IsCheckpoint(string file) => NamePattern().IsMatch(System.IO.Path.GetFileName(file));

    private static (int Epoch, int Batch) PositionOf(string file)
    {
        Match match = NamePattern().Match(System.IO.Path.GetFileName(file));
        return (Number(match.Groups[1].Value), Number(match.Groups[2].Value));

        static int Number(string digits) => int.Parse(digits, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^epoch-(\d{1,9})-batch-(\d{1,9})\.safetensors$")]
    private static partial Regex NamePattern();
}
