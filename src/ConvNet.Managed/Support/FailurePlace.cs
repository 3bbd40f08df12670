namespace ConvNet;

/// <summary>Where an exception of the user's own code came from: the node, the parameter, the loss.</summary>
/// <remarks>
/// An exception that a layer, a loss, an optimiser or an initialiser throws reaches the caller as it is, with its own
/// type and message, for any number of threads. Its <see cref="Exception.Data"/> says which one threw.
/// </remarks>
public static class FailurePlace
{
    /// <summary>The key of the place in <see cref="Exception.Data"/>.</summary>
    public const string Key = "ConvNet.Place";

    /// <summary>The place of an exception, as <c>conv1 (Conv2d)</c>; null where none was noted.</summary>
    public static string? PlaceOf(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception.Data[Key] as string;
    }

    /// <summary>
    /// Notes the place unless there is one. For an exception filter: false, so that the exception goes on untouched.
    /// </summary>
    internal static bool Note(Exception exception, string place)
    {
        if (!exception.Data.IsReadOnly && !exception.Data.Contains(Key))
            exception.Data[Key] = place;
        return false;
    }
}
