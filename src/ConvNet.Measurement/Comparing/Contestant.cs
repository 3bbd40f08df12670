using ConvNet.Backends;
using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>A backend, or a variant of one, that takes part in a comparison.</summary>
/// <param name="Name">The backend and its variant, for example <c>native</c>, <c>native:avx2</c> or
/// <c>native:accurate</c>.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Isa">The instruction set. Null selects the best available one.</param>
/// <param name="Precision">The precision. Null selects the default of the backend.</param>
public sealed record Contestant(string Name, string Backend, string? Isa, string? Precision)
{
    private static readonly string Accurate = $"{ConvNet.Precision.Accurate}".ToLowerInvariant();

    /// <summary>The variant of torchsharp; null for other contestants.</summary>
    public string? Padding => BackendRegistry.Find(Name)?.PaddingWord;

    /// <summary>Whether the contestant is a variant of a backend.</summary>
    public bool IsVariant => Name != Backend;

    /// <summary>Whether the contestant differs from its backend only in the algorithms that convolutions may
    /// use.</summary>
    public bool IsAccurate => Precision == Accurate && Isa is null;

    /// <summary>The default contestants: every backend, and the variants of native that are useful on this
    /// machine.</summary>
    public static IReadOnlyList<string> Default
    {
        get
        {
            // The plainest instruction set is for machines that have no other, and the best is the backend's own.
            NativeIsa[] others = [];
            try
            {
                others = [.. NativeBackend.SupportedIsas.Skip(1).SkipLast(1)];
            }
            catch (NativeLibraryException)
            {
                // The row of the native backend reports why it is not available.
            }
            return [.. BackendRegistry.Compared.Where(backend => backend.Padding is null
                && (backend.Isa is not { } isa || others.Contains(isa))).Select(backend => backend.Name)];
        }
    }

    /// <summary>Parses the name of a contestant.</summary>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    public static Contestant Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        RegisteredBackend known = BackendRegistry.Find(Contestants.Compared.Checked(name))!;
        return new Contestant(name, known.Family.Name, Lower(known.Isa), Lower(known.Precision));

        static string? Lower<T>(T? value) where T : struct => value?.ToString()!.ToLowerInvariant();
    }

    /// <summary>Creates a request to the worker of this contestant.</summary>
    internal Request Request(Order order, CompareSettings settings, int threads) => new(order)
    {
        Model = settings.Model,
        Input = settings.Input,
        Threads = threads,
        Isa = Isa,
        Precision = Precision,
        Padding = Padding,
    };
}
