using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>A backend, or a variant of one, that is compared.</summary>
/// <param name="Name">The backend with its variant: <c>native</c>, <c>native:avx2</c>, <c>native:accurate</c>.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Isa">The instruction set; the best one where it is null.</param>
/// <param name="Precision">The precision; the backend's own where it is null.</param>
public sealed record Contestant(string Name, string Backend, string? Isa, string? Precision)
{
    private const string Native = "native", Torch = TorchVariants.Backend;

    private static readonly string Accurate = $"{ConvNet.Precision.Accurate}".ToLowerInvariant();

    private static readonly string[] Isas = [.. Enum.GetNames<NativeIsa>().Select(name => name.ToLowerInvariant())];

    /// <summary>The variant of torchsharp; null where it is none.</summary>
    public string? Padding => TorchVariants.WordOf(Name);

    /// <summary>Whether it is a variant of another contestant.</summary>
    public bool IsVariant => Name != Backend;

    /// <summary>Whether it differs from its backend in nothing but which algorithms convolutions may take.</summary>
    public bool IsAccurate => Precision == Accurate && Isa is null;

    /// <summary>The names that can be given, for help and errors.</summary>
    public static string Names => string.Join(", ", AllNames);

    private static IEnumerable<string> AllNames
        => [Native, $"{Native}:{Accurate}", .. Isas.Reverse().Select(isa => $"{Native}:{isa}"), Torch,
        .. TorchVariants.Names, "managed"];

    /// <summary>What is compared unless something else is asked for: every backend, and the variants of the native one
    /// that make sense here.</summary>
    public static IReadOnlyList<string> Usual
    {
        get
        {
            // The plainest instruction set is for machines that have no other.
            IEnumerable<string> others = [];
            try
            {
                others = NativeBackend.SupportedIsas.Skip(1).SkipLast(1).Reverse()
                    .Select(isa => $"{Native}:{isa.ToString().ToLowerInvariant()}");
            }
            catch (NativeLibraryException)
            {
                // Its own row says why the native backend is not there.
            }
            return [Native, $"{Native}:{Accurate}", .. others, Torch, "managed"];
        }
    }

    /// <summary>The contestant of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Contestant Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Split(':') switch
        {
            [Native, var variant] when variant == Accurate => new Contestant(name, Native, null, variant),
            [Native, var isa] when Isas.Contains(isa) => new Contestant(name, Native, isa, null),
            [Native, var isa, var variant] when Isas.Contains(isa) && variant == Accurate
                => new Contestant(name, Native, isa, variant),
            ["auto"] => throw new ArgumentException("auto takes one of the backends, and a measurement says which of "
                + "them it measures; name them, or leave --backends out for all."),
            [Torch, _] when TorchVariants.WordOf(name) is not null => new Contestant(name, Torch, null, null),
            [Native or Torch or "managed"] => new Contestant(name, name, null, null),
            _ => throw NearMisses.NoSuch("backend to compare", name, AllNames),
        };
    }

    /// <summary>An order to this contestant's worker.</summary>
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
