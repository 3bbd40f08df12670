using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace ConvNet.Native.Interop;

/// <summary>The loaded library of C kernels.</summary>
/// <remarks>
/// The search order is: the application folder, its runtimes/&lt;rid&gt;/native folder, the same two folders relative
/// to this assembly, and the folders in which the runtime stores the native files of packages. If the environment
/// variable CONVNET_NATIVE_LIBRARY names a file, only that file is tried. The first existing file is loaded, and its
/// version is checked before any other call: it must have the same major version and at least the same minor version.
/// A program that is compiled ahead of time may have the kernels in its own file; see
/// <see cref="IsPartOfProgram"/>.
/// </remarks>
internal sealed partial class NativeLibraryFile
{
    /// <summary>The environment variable that specifies the only file to load.</summary>
    public const string PathVariable = "CONVNET_NATIVE_LIBRARY";

    /// <summary>The version of the header that the bindings follow.</summary>
    public static readonly Version Required = new(Convnet.CN_VERSION_MAJOR, Convnet.CN_VERSION_MINOR);

    // What the library exported before it had major and minor versions.
    private const string OldVersion = "cn_abi_version";

    private static readonly Lock Gate = new();
    private static NativeLibraryFile? _loaded;

    private readonly nint _handle;

    private NativeLibraryFile(string path, nint handle) => (Path, _handle) = (path, handle);

    /// <summary>The path of the file.</summary>
    public string Path { get; }

    /// <summary>Whether the kernels have been linked into the program, as <c>ConvNet.Native.targets</c> does for
    /// programs that ask for it. Its calls of them then need no library.</summary>
    [FeatureSwitchDefinition("ConvNet.Native.IsPartOfProgram")]
    public static bool IsPartOfProgram
        => AppContext.TryGetSwitch("ConvNet.Native.IsPartOfProgram", out bool isPart) && isPart;

    /// <summary>The file name on this operating system.</summary>
    public static string FileName => OperatingSystem.IsWindows() ? "convnet.dll" : OperatingSystem.IsMacOS()
        ? "libconvnet.dylib" : "libconvnet.so";

    /// <summary>The library, loaded and checked on first use and kept until the process ends.</summary>
    /// <exception cref="NativeLibraryException">No compatible library was found. A later call tries again.</exception>
    public static NativeLibraryFile Loaded
    {
        get
        {
            lock (Gate)
            {
                if (_loaded is null && IsPartOfProgram)
                {
                    _loaded = OfProgram(Environment.ProcessPath ?? "this program");
                }
                else if (_loaded is null)
                {
                    _loaded = Open(Candidates(Environment.GetEnvironmentVariable(PathVariable)), Required);
                    NativeLibrary.SetDllImportResolver(typeof(Convnet).Assembly, (name, _, _) => name == Convnet.Library
                        ? _loaded._handle : 0);
                }
                return _loaded;
            }
        }
    }

    /// <summary>Returns the paths to try, in order.</summary>
    /// <param name="chosen">The file specified by the user. Null if there is none.</param>
    public static IReadOnlyList<string> Candidates(string? chosen)
    {
        if (!string.IsNullOrEmpty(chosen))
            return [System.IO.Path.GetFullPath(chosen)];
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string runtime = System.IO.Path.Combine("runtimes",
            $"{system}-{RuntimeInformation.ProcessArchitecture}".ToLowerInvariant(), "native");
        string[] homes = [AppContext.BaseDirectory, AssemblyFolder];
        string[] packages = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "")
            .Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return [.. homes.Where(home => home.Length > 0)
            .SelectMany(home => new[] { home, System.IO.Path.Combine(home, runtime) })
            .Concat(packages)
            .Select(folder => System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, FileName)))
            .Distinct()];
    }

    // Empty in a single-file application, where the library is next to the executable.
    [UnconditionalSuppressMessage(
        "SingleFile", "IL3000",
        Justification = "An empty location is skipped, and the folder of the program is searched first.")]
    private static string AssemblyFolder => System.IO.Path.GetDirectoryName(typeof(Convnet).Assembly.Location) ?? "";

    /// <summary>Loads the first candidate that exists.</summary>
    /// <param name="candidates">The paths to try.</param>
    /// <param name="required">The required version.</param>
    /// <exception cref="NativeLibraryException">No candidate exists, or the first that exists cannot be loaded or has
    /// an incompatible version.</exception>
    public static NativeLibraryFile Open(IReadOnlyList<string> candidates, Version required)
    {
        string path = candidates.FirstOrDefault(File.Exists) ?? throw new NativeLibraryException(
            $"The library of the native backend, {FileName}, was not found. Looked for "
                + $"{string.Join(", ", candidates)}. "
            + $"Build the project ConvNet.Native, which builds it with CMake, or set {PathVariable} to its path.");
        nint handle = Load(path);
        try
        {
            string? problem = Problem(VersionOf(path, handle), required);
            return problem is null ? new NativeLibraryFile(path, handle) : throw new NativeLibraryException(
                $"{path} {problem} Build ConvNet.Native again, or set {PathVariable} to a library that fits.");
        }
        catch (NativeLibraryException)
        {
            NativeLibrary.Free(handle);
            throw;
        }
    }

    private static NativeLibraryFile OfProgram(string path)
    {
        int version = Convnet.cn_version();
        string? problem = Problem(new Version(version >> 16, version & 0xFFFF), Required);
        return problem is null ? new NativeLibraryFile(path, 0) : throw new NativeLibraryException(
            $"{path} {problem} Publish it again.");
    }

    private static nint Load(string path)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            throw new NativeLibraryException(Reason(path, error.Message), error);
        }
    }

    /// <summary>Returns why an existing file cannot be loaded, and the remedy.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="said">The error message of the system's loader.</param>
    internal static string Reason(string path, string said)
    {
        string process = $"{RuntimeInformation.ProcessArchitecture} process on {RuntimeInformation.RuntimeIdentifier}";
        string loader = $"The loader reports: {said.Trim()}";
        foreach (Match missing in MissingLibrary().Matches(said))
        {
            string name = missing.Groups["name"].Value;
            if (System.IO.Path.GetFileName(name) == System.IO.Path.GetFileName(path))
                continue;       // the library itself, which musl's loader reports this way
            string package = DebianPackage(name) is { } known ? $", on Debian with apt-get install {known}," : "";
            return $"{path} needs the library {name}, which was not found on this system. "
                + $"Install it{package} or set {PathVariable} to a library of kernels that does not need it. {loader}";
        }
        if (MissingVersion().Match(said) is { Success: true } newer)
        {
            return $"{path} was built on a newer system than this one: it needs {newer.Groups["version"].Value} of "
                + $"{newer.Groups["name"].Value}. Build ConvNet.Native on this machine, or set {PathVariable} "
                + $"to a library that fits. {loader}";
        }
        return $"{path} exists but cannot be loaded into this {process}: it is damaged or built for another processor. "
            + $"Build ConvNet.Native again on this machine, or set {PathVariable} to a library that fits. {loader}";
    }

    /// <summary>Returns the Debian package of a shared library according to Debian's naming rule, or null for any other
    /// file.</summary>
    internal static string? DebianPackage(string library)
    {
        if (SharedObject().Match(library) is not { Success: true } parts)
            return null;
        string name = parts.Groups["name"].Value, version = parts.Groups["version"].Value;
        if (name is "libc" or "libm" or "libdl" or "libpthread" or "librt")
            return "libc6";
        string dash = char.IsDigit(name[^1]) ? "-" : "";
        return name.Replace('_', '-').ToLowerInvariant() + dash + version;
    }

    // The message formats of glibc, musl and macOS.
    [GeneratedRegex(@"(?<name>[^\s:]+): cannot open shared object file: No such file"
        + @"|Error loading shared library (?<name>[^\s:]+): No such file"
        + @"|Library not loaded: (?<name>\S+)")]
    private static partial Regex MissingLibrary();

    [GeneratedRegex(@"(?<name>[^\s/:]+): version [`'](?<version>[^']+)' not found")]
    private static partial Regex MissingVersion();

    [GeneratedRegex(@"^(?<name>lib[A-Za-z0-9+_.-]*?)\.so\.(?<version>\d+)$")]
    private static partial Regex SharedObject();

    /// <summary>Returns why a version does not fit, or null if it does.</summary>
    /// <param name="version">The version of the library.</param>
    /// <param name="required">The required version.</param>
    internal static string? Problem(Version version, Version required)
    {
        if (version.Major == required.Major && version.Minor >= required.Minor)
            return null;
        string reason = version.Major < required.Major || version.Major == required.Major ? "is too old"
            : "is too new";
        return $"{reason}: it has version {version} of the kernels' interface, but this version of ConvNet.Native "
            + $"needs {required}{(version.Major == required.Major ? " or a later minor version" : "")}.";
    }

    private static unsafe Version VersionOf(string path, nint handle)
    {
        if (NativeLibrary.TryGetExport(handle, nameof(Convnet.cn_version), out nint export))
        {
            int version = ((delegate* unmanaged[Cdecl]<int>)export)();
            return new Version(version >> 16, version & 0xFFFF);
        }
        if (NativeLibrary.TryGetExport(handle, OldVersion, out nint old))
            return new Version(((delegate* unmanaged[Cdecl]<int>)old)(), 0);
        throw new NativeLibraryException($"{path} is not a library of ConvNet: it has no "
            + $"{nameof(Convnet.cn_version)}. Remove it, or set {PathVariable} to the right file.");
    }
}
