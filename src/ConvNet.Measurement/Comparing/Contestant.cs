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
    private const string Native = "native", Torch = TorchVariants.Backend;

    private static readonly string Accurate = $"{ConvNet.Precision.Accurate}".ToLowerInvariant();

    private static readonly string[] Isas = [.. Enum.GetNames<NativeIsa>().Select(name => name.ToLowerInvariant())];

    /// <summary>The torchsharp variant. Null if it is not one.</summary>
    public string? Padding => TorchVariants.WordOf(Name);

    /// <summary>Whether the contestant is a variant of a backend.</summary>
    public bool IsVariant => Name != Backend;

    /// <summary>Whether the contestant differs from its backend only in the algorithms that convolutions may
    /// use.</summary>
    public bool IsAccurate => Precision == Accurate && Isa is null;

    /// <summary>All valid names, for help texts and errors.</summary>
    public static string Names => string.Join(", ", AllNames);

    private static IEnumerable<string> AllNames
        => [Native, $"{Native}:{Accurate}", .. Isas.Reverse().Select(isa => $"{Native}:{isa}"), Torch,
        .. TorchVariants.Names, "managed"];

    /// <summary>The default contestants: every backend, and the variants of native that are useful on this
    /// machine.</summary>
    public static IReadOnlyList<string> Default
    {
        get
        {
            // The scalar instruction set is only a fallback for other machines.
            IEnumerable<string> others = [];
            try
            {
                others = NativeBackend.SupportedIsas.Skip(1).SkipLast(1).Reverse()
                    .Select(isa => $"{Native}:{isa.ToString().ToLowerInvariant()}");
            }
            catch (NativeLibraryException)
            {
                // The row of the native backend reports why it is not available.
            }
            return [Native, $"{Native}:{Accurate}", .. others, Torch, "managed"];
        }
    }

    /// <summary>Parses the name of a contestant.</summary>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    public static Contestant Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Split(':') switch
        {
            [Native, var variant] when variant == Accurate => new Contestant(name, Native, null, variant),
            [Native, var isa] when Isas.Contains(isa) => new Contestant(name, Native, isa, null),
            [Native, var isa, var variant] when Isas.Contains(isa) && variant == Accurate
                => new Contestant(name, Native, isa, variant),
            ["auto"] => throw new ArgumentException("auto selects a backend, but a measurement needs explicit "
                + "names. Name the backends, or omit --backends to compare all."),
            [Torch, _] when TorchVariants.WordOf(name) is not null => new Contestant(name, Torch, null, null),
            [Native or Torch or "managed"] => new Contestant(name, name, null, null),
            _ => throw NearMisses.NoSuch("backend to compare", name, AllNames),
        };
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
