namespace ConvNet.Serve.Runs;

/// <summary>A part of a run that a page shows, and that is sent as a whole when it has changed.</summary>
internal enum RunSection
{
    /// <summary>The <see cref="RunSummary"/> and the names of the classes.</summary>
    Summary,

    /// <summary>The curves of the steps.</summary>
    Steps,

    /// <summary>The results of the epochs.</summary>
    Epochs,

    /// <summary>The norms of the parameters and gradients.</summary>
    Norms,

    /// <summary>The confusion matrix after the last epoch.</summary>
    Confusion,

    /// <summary>The pictures after the last epoch.</summary>
    Pictures,
}
