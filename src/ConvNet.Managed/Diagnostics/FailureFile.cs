namespace ConvNet.Diagnostics;

/// <summary>Where the case of a failed gradient check goes that nobody named a file for.</summary>
internal static class FailureFile
{
    /// <summary>The name of the file without its ending.</summary>
    public const string UsualName = "gradcheck-failure";

    /// <summary>A file in the current folder that is not there yet: <see cref="UsualName"/>, or with -2 and so on
    /// behind it.</summary>
    /// <param name="isTaken">Says of a name that it is meant for something else.</param>
    public static string Unused(Func<string, bool>? isTaken = null)
    {
        string path = $"{UsualName}.json";
        for (int number = 2; File.Exists(path) || isTaken?.Invoke(path) == true; number++)
            path = $"{UsualName}-{number}.json";
        return path;
    }
}
