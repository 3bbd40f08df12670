namespace ConvNet.Backends;

/// <summary>The options for creating a backend. A backend ignores options that do not apply to it.</summary>
public sealed record BackendOptions
{
    /// <summary>The number of threads. Null selects all processors.</summary>
    public int? Threads { get; init; }

    /// <summary>The instruction set. Null selects the best one that the processor supports.</summary>
    public NativeIsa? Isa { get; init; }

    /// <summary>The precision, which determines whether less accurate algorithms may be used.</summary>
    public Precision Precision { get; init; }

    /// <summary>The algorithm of every convolution that supports it. Null lets the backend choose.</summary>
    public SumAlgorithm? Algorithm { get; init; }

    /// <summary>Which convolutions are padded with channels of zeros.</summary>
    public ChannelPadding Padding { get; init; }
}

/// <summary>A backend and its properties, as used by the command-line tool, the benchmarks and the tests.</summary>
/// <param name="Name">The name, for example <c>native</c>.</param>
/// <param name="Make">
/// Creates the backend. Throws <see cref="NotSupportedException"/> or <see cref="DllNotFoundException"/> with the
/// reason if it cannot run.
/// </param>
public sealed record BackendFamily(string Name, Func<BackendOptions, IBackend> Make)
{
    /// <summary>Whether results are bitwise identical in every run and for every number of threads.</summary>
    public bool IsDeterministic { get; init; } = true;

    /// <summary>Whether the backend supports profiling.</summary>
    public bool IsProfiled { get; init; }

    /// <summary>The instruction sets that can be forced, best first.</summary>
    public IReadOnlyList<NativeIsa> Isas { get; init; } = [];

    /// <summary>Whether the backend can be restricted to its most accurate algorithms.</summary>
    public bool HasPrecision { get; init; }

    /// <summary>The convolution algorithms that can be forced.</summary>
    public IReadOnlyList<SumAlgorithm> Algorithms { get; init; } = [];

    /// <summary>The channel paddings that can be selected.</summary>
    public IReadOnlyList<ChannelPadding> Paddings { get; init; } = [];

    /// <summary>The backend itself and its variants.</summary>
    public IEnumerable<RegisteredBackend> Variants
    {
        get
        {
            foreach (NativeIsa? isa in Isas.Select(isa => (NativeIsa?)isa).Prepend(null))
            {
                var plain = new RegisteredBackend(this) { Isa = isa };
                yield return plain;
                if (HasPrecision)
                    yield return plain with { Precision = Precision.Accurate };
                foreach (SumAlgorithm algorithm in Algorithms)
                    yield return plain with { Algorithm = algorithm };
                foreach (ChannelPadding padding in Paddings)
                    yield return plain with { Padding = padding };
            }
        }
    }
}

/// <summary>A backend, or a variant with settings forced by its name.</summary>
/// <param name="Family">The backend.</param>
public sealed record RegisteredBackend(BackendFamily Family)
{
    /// <summary>The instruction set in the name. Null if the name has none.</summary>
    public NativeIsa? Isa { get; init; }

    /// <summary>The precision in the name. Null if the name has none.</summary>
    public Precision? Precision { get; init; }

    /// <summary>The algorithm in the name. Null if the name has none.</summary>
    public SumAlgorithm? Algorithm { get; init; }

    /// <summary>The channel padding in the name. Null if the name has none.</summary>
    public ChannelPadding? Padding { get; init; }

    /// <summary>The name, for example <c>native:avx2:accurate</c>.</summary>
    public string Name => string.Join(':', ((string?[])[Family.Name, Lower(Isa), Lower(Precision), Algorithm?.Word(),
        PaddingWord]).OfType<string>());

    /// <summary>The word for the channel padding in the name. Null if the name has none.</summary>
    public string? PaddingWord => Padding switch
    {
        null => null,
        ChannelPadding.Always => "padded",
        ChannelPadding.Never => "unpadded",
        _ => Lower(Padding),
    };

    /// <summary>Whether the name forces only an instruction set.</summary>
    public bool IsInstructionSet => Isa is not null && Precision is null && Algorithm is null && Padding is null;

    /// <summary>Creates the backend.</summary>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="precision">The precision, if the name does not specify one.</param>
    /// <exception cref="NotSupportedException">The backend cannot run. The message states the reason and the
    /// remedy.</exception>
    /// <exception cref="DllNotFoundException">A library is missing. The message names it.</exception>
    public IBackend Create(int? threads, Precision precision = ConvNet.Precision.Fast)
        => Family.Make(new BackendOptions
        {
            Threads = threads,
            Isa = Isa,
            Precision = Precision ?? (Algorithm is null ? precision : ConvNet.Precision.Fast),
            Algorithm = Algorithm,
            Padding = Padding ?? ChannelPadding.WhereNeeded,
        });

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static string? Lower<T>(T? value) where T : struct => value?.ToString()!.ToLowerInvariant();
}
