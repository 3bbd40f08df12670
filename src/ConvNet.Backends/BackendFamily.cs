namespace ConvNet.Backends;

/// <summary>What a backend is made with; each takes what it has a use for.</summary>
public sealed record BackendOptions
{
    /// <summary>Threads to use; all processors where it is null.</summary>
    public int? Threads { get; init; }

    /// <summary>The instruction set; the best of the processor where it is null.</summary>
    public NativeIsa? Isa { get; init; }

    /// <summary>Whether it may trade accuracy for time.</summary>
    public Precision Precision { get; init; }

    /// <summary>The algorithm of every convolution that can take it; null to choose.</summary>
    public SumAlgorithm? Algorithm { get; init; }

    /// <summary>Which convolutions get channels of zeros.</summary>
    public ChannelPadding Padding { get; init; }
}

/// <summary>A backend with all that the tool, the measurements and the tests know of it.</summary>
/// <param name="Name">Its name, as <c>native</c>.</param>
/// <param name="Make">
/// Makes it; a <see cref="NotSupportedException"/> or a <see cref="DllNotFoundException"/> says why it cannot run here.
/// </param>
public sealed record BackendFamily(string Name, Func<BackendOptions, IBackend> Make)
{
    /// <summary>Whether it promises the same bits on every run and for every number of threads.</summary>
    public bool IsDeterministic { get; init; } = true;

    /// <summary>Whether it tells where its time goes.</summary>
    public bool IsProfiled { get; init; }

    /// <summary>The instruction sets that it can be forced to, the best first.</summary>
    public IReadOnlyList<NativeIsa> Isas { get; init; } = [];

    /// <summary>Whether it can be held to its most accurate algorithms.</summary>
    public bool HasPrecision { get; init; }

    /// <summary>The algorithms that its convolutions can be forced to.</summary>
    public IReadOnlyList<SumAlgorithm> Algorithms { get; init; } = [];

    /// <summary>The paddings that it can be told to use.</summary>
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

/// <summary>A backend, or a variant of one that its name forces.</summary>
/// <param name="Family">The backend.</param>
public sealed record RegisteredBackend(BackendFamily Family)
{
    /// <summary>The instruction set of the name; null where it has none.</summary>
    public NativeIsa? Isa { get; init; }

    /// <summary>The precision of the name; null where it has none.</summary>
    public Precision? Precision { get; init; }

    /// <summary>The algorithm of the name; null where it has none.</summary>
    public SumAlgorithm? Algorithm { get; init; }

    /// <summary>The padding of the name; null where it has none.</summary>
    public ChannelPadding? Padding { get; init; }

    /// <summary>The name, as <c>native:avx2:accurate</c>.</summary>
    public string Name => string.Join(':', ((string?[])[Family.Name, Lower(Isa), Lower(Precision), Algorithm?.Word(),
        PaddingWord]).OfType<string>());

    /// <summary>The padding of the name in a word; null where it has none.</summary>
    public string? PaddingWord => Padding switch
    {
        null => null,
        ChannelPadding.Always => "padded",
        ChannelPadding.Never => "unpadded",
        _ => Lower(Padding),
    };

    /// <summary>Whether the name forces an instruction set and nothing else.</summary>
    public bool IsInstructionSet => Isa is not null && Precision is null && Algorithm is null && Padding is null;

    /// <summary>Makes the backend.</summary>
    /// <param name="threads">Threads to use; all processors where it is null.</param>
    /// <param name="precision">Whether it may trade accuracy for time where its name does not say.</param>
    /// <exception cref="NotSupportedException">It cannot run here; the message says why and what to do.</exception>
    /// <exception cref="DllNotFoundException">A library is missing; the message says which.</exception>
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
