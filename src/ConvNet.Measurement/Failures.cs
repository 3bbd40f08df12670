using System.Runtime.InteropServices;

namespace ConvNet.Measurement;

/// <summary>Distinguishes errors that the user can correct from bugs, at the boundary of a process.</summary>
public static class Failures
{
    /// <summary>Whether an exception reports invalid arguments, files, data, sizes or an unusable backend. Any other
    /// exception is a bug.</summary>
    public static bool IsExpected(Exception failure) => Cause(failure)
        is ArgumentException or FormatException or InvalidDataException or IOException or UnauthorizedAccessException
        or NotSupportedException or DllNotFoundException or NativeCallException or ExternalException
        or OutOfMemoryException or OverflowException;

    /// <summary>Returns the message in one line.</summary>
    public static string Message(Exception failure)
    {
        Exception cause = Cause(failure);
        string message = cause switch
        {
            // Torch appends a stack trace, one frame per line.
            ExternalException => $"torch: {cause.Message.Split('\n')[0]}",
            OutOfMemoryException and not InsufficientMemoryException
                => $"There is not enough memory. {cause.Message} Use a smaller batch, smaller images or a smaller "
                + "network.",
            OverflowException
                => $"A size is too large. {cause.Message} Use a smaller batch, smaller images or a smaller "
                + "network.",
            _ => cause.PlainMessage(),
        };
        return message.ReplaceLineEndings(" ");
    }

    private static Exception Cause(Exception failure) => failure switch
    {
        AggregateException { InnerExceptions: [var only] } => Cause(only),
        TypeInitializationException { InnerException: { } inner } => Cause(inner),
        _ => failure,
    };
}
