using static System.FormattableString;

namespace ConvNet;

/// <summary>How a parameter starts: at a constant, or drawn at random.</summary>
/// <remarks>
/// A layer says it of each of its parameters by <see cref="ParameterSpec.Initial"/>, or leaves it to the role: weights
/// are drawn by the initialiser that <see cref="ExecutableExtensions.Initialize"/> is given, scales and running
/// variances start at 1, everything else at 0.
/// </remarks>
public record InitialValue
{
    private protected InitialValue(float? value) => Value = value;

    /// <summary>All values start at 0.</summary>
    public static InitialValue Zeros { get; } = Constant(0);

    /// <summary>All values start at 1.</summary>
    public static InitialValue Ones { get; } = Constant(1);

    /// <summary>Drawn by the initialiser that <see cref="ExecutableExtensions.Initialize"/> is given, which scales by
    /// <see cref="Parameter.FanIn"/> and <see cref="Parameter.FanOut"/>.</summary>
    public static InitialValue ByFans { get; } = new((float?)null);

    /// <summary>The constant; null if values are drawn.</summary>
    public float? Value { get; }

    /// <summary>All values start at a constant.</summary>
    /// <param name="value">The constant.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not finite.</exception>
    public static InitialValue Constant(float value) => float.IsFinite(value)
        ? new((float?)value)
        : throw new ArgumentOutOfRangeException(nameof(value),
            Invariant($"A parameter cannot start at {value}; give a finite number."));

    /// <inheritdoc/>
    public override string ToString() => Value is { } value ? Invariant($"{value}") : "by fans";
}
