namespace ConvNet.Onnx;

/// <summary>What became of a case.</summary>
internal enum ConformanceOutcome
{
    /// <summary>The results are those of the suite.</summary>
    Passed,

    /// <summary>The model was imported, but a result differs or it could not be run.</summary>
    Failed,

    /// <summary>The model cannot be imported.</summary>
    Unsupported,

    /// <summary>The model has operators that convolutional networks do not use.</summary>
    Other,
}
