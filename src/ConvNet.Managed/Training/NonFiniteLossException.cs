using System.Globalization;

namespace ConvNet.Training;

/// <summary>
/// The loss became NaN or infinite, or the network has non-finite values after an epoch. If the loss is not finite, the
/// step is not applied: parameters, buffers and the optimiser's state are those before it.
/// </summary>
public sealed class NonFiniteLossException : ArithmeticException
{
    internal NonFiniteLossException(double loss, long step, float learningRate, NonFiniteOrigin origin)
        : base(string.Create(CultureInfo.InvariantCulture,
            $"The loss is {loss} at step {step:N0}: {origin.Description}. {WayOut(origin, learningRate)}"))
    {
        (Step, Origin) = (step, origin);
    }

    internal NonFiniteLossException(long step, float learningRate, NonFiniteOrigin origin)
        : base(string.Create(CultureInfo.InvariantCulture,
            $"The values of the network are no longer finite after step {step:N0}: "
            + $"{origin.Description}. {WayOut(origin, learningRate)}"))
    {
        (Step, Origin) = (step, origin);
    }

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>The origin of the first non-finite value.</summary>
    public NonFiniteOrigin Origin { get; }

    private static string WayOut(NonFiniteOrigin origin, float learningRate) => origin.Place switch
    {
        NonFinitePlace.Input => "Correct the data.",
        NonFinitePlace.Algorithm => origin.Advice,
        _ => string.Create(CultureInfo.InvariantCulture,
            $"Use a learning rate below {learningRate}, or normalise the images. {origin.Advice}").TrimEnd(),
    };
}
