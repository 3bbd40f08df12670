using System.CommandLine;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary>What a verb does with the file that an option names.</summary>
internal enum FileUse
{
    /// <summary>It is read.</summary>
    Read,

    /// <summary>It is written anew.</summary>
    Written,

    /// <summary>It is read, and written with what is new in it.</summary>
    Updated,
}

/// <summary>The files that a verb's options name. No file that is written may be another one of the same
/// call.</summary>
/// <remarks>
/// Files are the same where they are behind all links; another hard link is another file, since files are replaced as
/// a whole (<see cref="AtomicFile"/>) and the other link keeps what it had.
/// </remarks>
internal sealed class NamedFiles
{
    private const int MostLinks = 40;

    // As the file systems of the system usually are.
    private static readonly StringComparison Case = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
        ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    private readonly List<(Option Option, FileUse Use, Func<ParseResult, IEnumerable<string>> Files)> _options = [];
    private readonly List<(Option Written, Option Read)> _replacements = [];

    /// <summary>The options, with what is done with their files.</summary>
    public IEnumerable<(Option Option, FileUse Use)> Options => _options.Select(each => (each.Option, each.Use));

    /// <summary>Adds an option.</summary>
    /// <param name="option">The option.</param>
    /// <param name="use">What is done with its files.</param>
    /// <param name="files">The files that it names on a command line.</param>
    public void Add(Option option, FileUse use, Func<ParseResult, IEnumerable<string>> files)
        => _options.Add((option, use, files));

    /// <summary>Lets one option name the file of another: it is read as a whole before it is replaced.</summary>
    public void AllowReplacement(Option written, Option read) => _replacements.Add((written, read));

    /// <summary>Whether a command line names a file.</summary>
    public bool Contains(ParseResult command, string file)
    {
        string behind = Behind(file);
        return Of(command).Any(named => named.Behind.Equals(behind, Case));
    }

    /// <summary>Throws unless every file that is written can be, and is no other file of the call.</summary>
    /// <exception cref="ArgumentException">Two options name the same file.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">A folder may not be written to.</exception>
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
                    ? $"{option.Name} would overwrite what {other.Name} reads: {files} "
                        + $"{(file == otherFile ? "is" : "are")} the same file; name another one."
                    : $"{option.Name} and {other.Name} name the same file, {files}; give each its own.");
            }
            if (use == FileUse.Written)
                AtomicFile.Probe(file, "what is to be written");
        }
    }

    private IEnumerable<(Option Option, FileUse Use, string File, string Behind)> Of(ParseResult command)
        => _options.SelectMany(each => each.Files(command).Select(file => (each.Option, each.Use, file, Behind(file))));

    /// <summary>The full path of what is behind all links, those of the folders too; the end of the path need not be
    /// there.</summary>
    internal static string Behind(string path)
    {
        string full = Path.GetFullPath(path);
        for (int links = 0; links < MostLinks; links++)
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
        string[] parts = full[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < parts.Length; i++)
        {
            string folder = current;
            current = Path.Combine(current, parts[i]);
            if (new FileInfo(current).LinkTarget is { } target)
                return Path.GetFullPath(Path.Combine([folder, target, .. parts[(i + 1)..]]));
        }
        return current;
    }
}
