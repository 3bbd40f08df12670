using System.Runtime.InteropServices;
using System.Text;

namespace TorchSharp;

/// <summary>Finds the binding's library, checks that it is of this version, and says what went wrong when it is not.</summary>
/// <remarks>
/// It is looked for under <c>runtimes/&lt;rid&gt;/native</c> of the application and of this assembly, where a build puts it,
/// then in those folders themselves, where a publish puts it. The runtime's own search finds it in a package.
/// </remarks>
internal static unsafe class NativeLoader
{
    internal const string Library = "convnet_torch";

    /// <summary>CT_ABI_VERSION of the header that <see cref="NativeMethods"/> was written against.</summary>
    private const int AbiVersion = 2;

    private const string WayOut =
        "Run eng/setup torch, which installs libtorch where it is missing, then build again.";

    internal static nint Load() => Load(Candidates());

    /// <exception cref="DllNotFoundException">
    /// None of the files can be loaded, and the message has a line for each; or one was, and is of another version.
    /// </exception>
    internal static nint Load(IEnumerable<string> candidates)
    {
        var tried = new StringBuilder();
        foreach (string path in candidates)
        {
            if (Path.IsPathRooted(path) && !File.Exists(path))
            {
                tried.Append($"\n  {path}: there is no such file");
                continue;
            }
            nint library;
            try
            {
                library = Open(path);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Append($"\n  {path}: {Reason(e)}");
                continue;
            }
            return Checked(library, path);
        }
        throw new DllNotFoundException($"The library of the TorchSharp backend cannot be loaded. Tried:{tried}\n{WayOut}");
    }

    private static IEnumerable<string> Candidates()
    {
        string file = OperatingSystem.IsWindows() ? $"{Library}.dll"
            : OperatingSystem.IsMacOS() ? $"lib{Library}.dylib"
            : $"lib{Library}.so";
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string rid = $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        string[] roots = [AppContext.BaseDirectory, Path.GetDirectoryName(typeof(NativeLoader).Assembly.Location) ?? ""];
        foreach (string root in roots.Where(root => root.Length > 0).Select(Path.TrimEndingDirectorySeparator).Distinct())
        {
            yield return Path.Combine(root, "runtimes", rid, "native", file);
            yield return Path.Combine(root, file);
        }
        yield return Library;
    }

    private static nint Open(string path) => Path.IsPathRooted(path)
        ? NativeLibrary.Load(path)
        : NativeLibrary.Load(path, typeof(NativeLoader).Assembly, searchPath: null);

    private static nint Checked(nint library, string path)
    {
        int version = NativeLibrary.TryGetExport(library, "ct_abi_version", out nint export)
            ? ((delegate* unmanaged[Cdecl]<int>)export)()
            : 0;
        if (version == AbiVersion)
            return library;

        NativeLibrary.Free(library);
        throw new DllNotFoundException(
            $"{path} has version {version} of the binding, and this assembly needs version {AbiVersion}. "
            + "They come from different builds: delete that file and build again.");
    }

    // The runtime's message is general advice in its first line, and what the loader said in the others.
    private static string Reason(Exception e)
    {
        string[] lines = e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 1 ? lines[0] : string.Join("; ", lines.Skip(1));
    }
}
