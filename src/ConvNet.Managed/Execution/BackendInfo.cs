namespace ConvNet;

/// <summary>Describes what a backend runs on.</summary>
/// <param name="Name">The name of the backend, such as <c>native</c>.</param>
/// <param name="Version">The version of the library that computes.</param>
/// <param name="Isa">The instruction set, such as <c>avx512</c>.</param>
/// <param name="Threads">The number of threads used.</param>
/// <param name="Library">The path of the loaded library; null if there is none.</param>
public sealed record BackendInfo(string Name, string Version, string Isa, int Threads, string? Library)
{
    /// <summary>Whether the backend may use less accurate algorithms.</summary>
    public Precision Precision { get; init; } = Precision.Accurate;

    /// <summary>
    /// The command-line name that selects this backend, such as <c>native:avx2:accurate</c>; null if there is none.
    /// </summary>
    public string? Option { get; init; }

    /// <summary>The limits that apply to the backend on this machine, including those it works around; empty if there
    /// are none.</summary>
    public IReadOnlyList<BackendLimit> Limits { get; init; } = [];

    /// <summary>Whether the backend computes forward passes only, so that <see cref="IBackend.Compile"/> throws
    /// <see cref="NotSupportedException"/>. A gradient check then compares the results of
    /// <see cref="IExecutable.Infer"/>.</summary>
    public bool InferenceOnly { get; init; }

    /// <inheritdoc/>
    public override string ToString()
        => RecordText.Of(nameof(BackendInfo), (nameof(Name), Name), (nameof(Version), Version),
        (nameof(Isa), Isa), (nameof(Threads), Threads), (nameof(Library), Library), (nameof(Precision), Precision),
        (nameof(Limits), Limits));
}
