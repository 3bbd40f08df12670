namespace ConvNet.Measurement;

/// <summary>The repository that the running program was built in.</summary>
public static class SourceTree
{
    private const string Solution = "ConvNative.sln";

    /// <summary>The root folder. Null if the program is not inside a repository.</summary>
    public static string? Root
    {
        get
        {
            string? root = AppContext.BaseDirectory;
            while (root is not null && !File.Exists(Path.Combine(root, Solution)))
                root = Path.GetDirectoryName(root);
            return root;
        }
    }
}
