namespace ConvNet.Onnx;

/// <summary>Why a file cannot be imported as it is: the size of an input is not in the file and has not been
/// given.</summary>
internal sealed class FreeSizeException(string message, string input) : Exception(message)
{
    /// <summary>The name of the input.</summary>
    public string Input { get; } = input;
}
