namespace ConvNet;

/// <summary>Identifies where an exception in user-defined code was thrown: the node, the parameter or the
/// loss.</summary>
/// <remarks>
/// An exception thrown by a layer, a loss, an optimiser or an initialiser reaches the caller unchanged, with its own
/// type and message, regardless of the number of threads. Its <see cref="Exception.Data"/> identifies the source.
/// </remarks>
public static class FailurePlace
{
    /// <summary>The key of the place in <see cref="Exception.Data"/>.</summary>
    internal const string Key = "ConvNet.Place";

    /// <summary>Gets the place of an exception, such as <c>conv1 (Conv2d)</c>; null if none was noted.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="exception"/> is null.</exception>
    public static string? PlaceOf(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception.Data[Key] as string;
    }

    /// <summary>
    /// Notes the place unless one has been noted. For use in an exception filter: returns false, so that the exception
    /// propagates unchanged.
    /// </summary>
    internal static bool Note(Exception exception, string place)
    {
        if (!exception.Data.IsReadOnly && !exception.Data.Contains(Key))
            exception.Data[Key] = place;
        return false;
    }
}
