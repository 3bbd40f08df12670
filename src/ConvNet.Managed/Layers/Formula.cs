using System.Numerics;

namespace ConvNet;

/// <summary>An elementwise function y = f(x), computed in any number type.</summary>
internal interface IFormula
{
    /// <summary>Computes f(x).</summary>
    T Value<T>(T x) where T : unmanaged, IFloatingPointIeee754<T>;
}

/// <summary>The loop over the values of an elementwise function.</summary>
internal static class Formula
{
    /// <summary>Computes y from x; in double if the values are float, so that they are rounded once.</summary>
    public static void Forward<T>(IFormula function, in Frame<T> f)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (typeof(T) == typeof(float))
            Forward<T, double>(function, f);
        else
            Forward<T, T>(function, f);
    }

    private static void Forward<T, TWide>(IFormula function, in Frame<T> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TWide : unmanaged, IFloatingPointIeee754<TWide>
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        for (int i = 0; i < y.Length; i++)
            y[i] = T.CreateChecked(function.Value(TWide.CreateChecked(x[i])));
    }
}
