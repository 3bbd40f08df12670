using System.Runtime.InteropServices;

namespace ConvNet.Measurement;

/// <summary>Tells what users can mend from faults of the program, where a process ends or answers for what went wrong
/// in it.</summary>
public static class Failures
{
    /// <summary>Whether a failure says what is wrong with arguments, files, data, sizes or a backend; anything else is
    /// a fault of the program.</summary>
    public static bool IsExpected(Exception failure) => Cause(failure)
        is ArgumentException or FormatException or InvalidDataException or IOException or UnauthorizedAccessException
        or NotSupportedException or DllNotFoundException or NativeCallException or ExternalException
        or OutOfMemoryException or OverflowException;

    /// <summary>What it says, in one line.</summary>
    public static string Message(Exception failure)
    {
        Exception cause = Cause(failure);
        string message = cause switch
        {
            // Torch adds the places in its sources, line by line.
            ExternalException => $"torch: {cause.Message.Split('\n')[0]}",
            OutOfMemoryException and not InsufficientMemoryException
                => $"There is not enough memory. {cause.Message} A smaller batch, smaller images or a smaller network "
                + $"need less.",
            OverflowException
                => $"A size is too large to be computed with. {cause.Message} A smaller batch, smaller images or a "
                + $"smaller network fit.",
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
