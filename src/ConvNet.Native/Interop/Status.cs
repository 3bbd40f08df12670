using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConvNet.Native.Interop;

/// <summary>Converts the status of a native call into an exception.</summary>
internal static class Status
{
    /// <summary>Throws if a call failed.</summary>
    /// <param name="status">The return value of the call.</param>
    /// <param name="call">The source text of the call. The message contains the function name.</param>
    /// <exception cref="NativeCallException">The status is not CN_OK.</exception>
    public static void ThrowIfFailed(this int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != 0)
            throw Failure(status, call);
    }

    /// <summary>Throws if a query did not return a size.</summary>
    /// <inheritdoc cref="ThrowIfFailed(int, string)"/>
    public static long SizeOrThrow(this long size, [CallerArgumentExpression(nameof(size))] string call = "")
        => size >= 0 ? size : throw Failure((int)size, call);

    /// <inheritdoc cref="SizeOrThrow(long, string)"/>
    public static int SizeOrThrow(this int size, [CallerArgumentExpression(nameof(size))] string call = "")
        => size >= 0 ? size : throw Failure(size, call);

    /// <summary>Returns the whole floats that a size in bytes takes, or throws if a query did not return a
    /// size.</summary>
    /// <inheritdoc cref="ThrowIfFailed(int, string)"/>
    public static long FloatsOrThrow(this long bytes, [CallerArgumentExpression(nameof(bytes))] string call = "")
        => bytes.SizeOrThrow(call) / sizeof(float) + (bytes % sizeof(float) == 0 ? 0 : 1);

    /// <summary>Returns the exception for the status of a call.</summary>
    public static unsafe NativeCallException Failure(int status, string call)
    {
        string text = Marshal.PtrToStringUTF8((nint)Convnet.cn_status_text(status))!;
        string function = call.Split('(')[0].Split('.')[^1];
        return new NativeCallException(status, $"{function} rejected its arguments: {text} (status {status}).");
    }
}
