using System.CommandLine;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary>How a verb uses the file that an option names.</summary>
internal enum FileUse
{
    /// <summary>The file is read.</summary>
    Read,

    /// <summary>The file is created or replaced.</summary>
    Written,

    /// <summary>The file is read and updated.</summary>
    Updated,
}

/// <summary>The files that the options of a verb name. A written file must differ from all other files of the
/// command.</summary>
/// <remarks>
/// Symbolic links are resolved before files are compared. Hard links count as different files: files are replaced as a
/// whole (<see cref="AtomicFile"/>), so the other link keeps its content.
/// </remarks>
internal sealed class NamedFiles
{
    private const int MaxLinks = 40;

    // The usual case sensitivity of file systems on each platform.
    private static readonly StringComparison Case = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
        ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    private readonly List<(Option Option, FileUse Use, Func<ParseResult, IEnumerable<string>> Files)> _options = [];
    private readonly List<(Option Written, Option Read)> _replacements = [];

    /// <summary>The options and how their files are used.</summary>
    public IEnumerable<(Option Option, FileUse Use)> Options => _options.Select(each => (each.Option, each.Use));

    /// <summary>Adds an option.</summary>
    /// <param name="option">The option.</param>
    /// <param name="use">How its files are used.</param>
    /// <param name="files">Returns the files that it names on a command line.</param>
    public void Add(Option option, FileUse use, Func<ParseResult, IEnumerable<string>> files)
        => _options.Add((option, use, files));

    /// <summary>Permits two options to name the same file: it is read completely before it is replaced.</summary>
    public void AllowReplacement(Option written, Option read) => _replacements.Add((written, read));

    /// <summary>Whether a command line names a file.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="file">The path of the file.</param>
    /// <param name="toWrite">Whether only files are considered that the command writes.</param>
    public bool Contains(ParseResult command, string file, bool toWrite = false)
    {
        string behind = Behind(file);
        return Of(command).Any(named => (!toWrite || named.Use != FileUse.Read) && named.Behind.Equals(behind, Case));
    }

    /// <summary>Throws unless every output file is writable and differs from all other files of the command.</summary>
    /// <exception cref="ArgumentException">Two options name the same file.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to a folder is denied.</exception>
    public void Check(ParseResult command)
    {
        (Option Option, FileUse Use, string File, string Behind)[] named = [.. Of(command)];
        foreach ((Option option, FileUse use, string file, string behind) in named)
        {
            if (use == FileUse.Read)
                continue;
            foreach ((Option other, FileUse otherUse, string otherFile, string otherBehind) in named)
            {
                if (other == option || !behind.Equals(otherBehind, Case) || _replacements.Contains((option, other))
                    || _replacements.Contains((other, option)))
                    continue;
                string files = file == otherFile ? file : $"{file} and {otherFile}";
                throw new ArgumentException(otherUse == FileUse.Read
                    ? $"{option.Name} would overwrite the input of {other.Name}: {files} "
                        + $"{(file == otherFile ? "is" : "are")} the same file. Choose another output file."
                    : $"{option.Name} and {other.Name} name the same file, {files}. Use different files.");
            }
            if (use == FileUse.Written)
                AtomicFile.Probe(file, "the output");
        }
    }

    private IEnumerable<(Option Option, FileUse Use, string File, string Behind)> Of(ParseResult command)
        => _options.SelectMany(each => each.Files(command).Select(file => (each.Option, each.Use, file, Behind(file))));

    /// <summary>Resolves all links of a path, including those of its folders. The end of the path need not
    /// exist.</summary>
    internal static string Behind(string path)
    {
        string full = Path.GetFullPath(path);
        for (int links = 0; links < MaxLinks; links++)
        {
            string behind = WithoutFirstLink(full);
            if (behind == full)
                break;
            full = behind;
        }
        return full;
    }

    private static string WithoutFirstLink(string full)
    {
        string root = Path.GetPathRoot(full)!, current = root;
        string[] names = full[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            string folder = current;
            current = Path.Combine(current, names[i]);
            if (new FileInfo(current).LinkTarget is { } target)
                return Path.GetFullPath(Path.Combine([folder, target, .. names[(i + 1)..]]));
        }
        return current;
    }
}
