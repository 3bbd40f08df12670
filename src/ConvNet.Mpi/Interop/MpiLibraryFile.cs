using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace ConvNet.Mpi.Interop;

/// <summary>The library over MPI, which is loaded when a communicator is opened, and not before.</summary>
internal static class MpiLibraryFile
{
    /// <summary>The environment variable that specifies the only file to load.</summary>
    public const string PathVariable = "CONVNET_MPI_LIBRARY";

    private const string Remedy = "Install Open MPI, on Debian with apt-get install openmpi-bin libopenmpi-dev (or "
        + "eng/setup mpi), and build ConvNet.Mpi";

    private static readonly Lock s_gate = new();
    private static nint s_handle;

    /// <summary>The file name on this operating system.</summary>
    public static string FileName => OperatingSystem.IsWindows() ? "convnet_mpi.dll" : OperatingSystem.IsMacOS()
        ? "libconvnet_mpi.dylib" : "libconvnet_mpi.so";

    /// <summary>Loads the library on first use, and checks its version.</summary>
    /// <exception cref="MpiUnavailableException">The library or MPI is missing.</exception>
    public static void Load()
    {
        lock (s_gate)
        {
            if (s_handle != 0)
                return;
            s_handle = Open(Candidates(Environment.GetEnvironmentVariable(PathVariable)));
            NativeLibrary.SetDllImportResolver(typeof(ConvnetMpi).Assembly,
                (name, _, _) => name == ConvnetMpi.Library ? s_handle : 0);
        }
    }

    /// <summary>Returns the paths to try, in order.</summary>
    /// <param name="chosen">The file specified by the user. Null if there is none.</param>
    public static IReadOnlyList<string> Candidates(string? chosen)
    {
        if (!string.IsNullOrEmpty(chosen))
            return [Path.GetFullPath(chosen)];
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string runtime = Path.Combine("runtimes",
            $"{system}-{RuntimeInformation.ProcessArchitecture}".ToLowerInvariant(), "native");
        string[] homes = [AppContext.BaseDirectory, AssemblyFolder];
        string[] packages = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return [.. homes.Where(home => home.Length > 0)
            .SelectMany(home => new[] { home, Path.Combine(home, runtime) }).Concat(packages)
            .Select(folder => Path.GetFullPath(Path.Combine(folder, FileName))).Distinct()];
    }

    /// <summary>Loads the first candidate that exists.</summary>
    /// <exception cref="MpiUnavailableException">None exists, or it cannot be loaded.</exception>
    public static nint Open(IReadOnlyList<string> candidates)
    {
        string path = candidates.FirstOrDefault(File.Exists) ?? throw new MpiUnavailableException(
            $"Training on several ranks needs MPI, but {FileName} is missing: it was not built. {Remedy}.");
        try
        {
            nint handle = NativeLibrary.Load(path);
            Check(path, handle);
            return handle;
        }
        catch (Exception error) when (error is DllNotFoundException and not MpiUnavailableException
            or BadImageFormatException)
        {
            throw new MpiUnavailableException($"{path} cannot be loaded, because MPI is missing or another one. "
                + $"{Remedy} again. The loader reports: {error.Message.Trim()}", error);
        }
    }

    // Empty in a single-file application, where the library is next to the executable.
    [UnconditionalSuppressMessage(
        "SingleFile", "IL3000",
        Justification = "An empty location is skipped, and the folder of the program is searched first.")]
    private static string AssemblyFolder => Path.GetDirectoryName(typeof(ConvnetMpi).Assembly.Location) ?? "";

    private static unsafe void Check(string path, nint handle)
    {
        int? version = NativeLibrary.TryGetExport(handle, nameof(ConvnetMpi.cn_mpi_version), out nint export)
            ? ((delegate* unmanaged[Cdecl]<int>)export)() : null;
        if (version == ConvnetMpi.CN_MPI_VERSION)
            return;
        NativeLibrary.Free(handle);
        throw new MpiUnavailableException($"{path} has version {version?.ToString() ?? "unknown"} of the interface, "
            + $"but this ConvNet.Mpi needs {ConvnetMpi.CN_MPI_VERSION}. Build ConvNet.Mpi again.");
    }
}
