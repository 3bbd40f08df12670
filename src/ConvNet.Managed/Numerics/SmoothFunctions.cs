using System.Numerics;

namespace ConvNet;

/// <summary>Functions that the number types of .NET lack, or compute with cancellation: their <c>ExpM1</c> and
/// <c>LogP1</c> are e^x − 1 and log(1 + x).</summary>
internal static class SmoothFunctions
{
    /// <summary>Computes the logistic function σ(x) = 1/(1 + e^(−x)).</summary>
    public static T Sigmoid<T>(T x)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (x > T.Zero)
            return T.One / (T.One + T.Exp(-x));
        T e = T.Exp(x);
        return e / (T.One + e);
    }

    /// <summary>Computes e^x − 1 as tanh(x/2)·(e^x + 1), without cancellation.</summary>
    public static T ExpM1<T>(T x)
        where T : unmanaged, IFloatingPointIeee754<T>
        => T.Tanh(x / T.CreateChecked(2)) * (T.Exp(x) + T.One);

    /// <summary>Computes log(1 + e^x), with log(1 + e) = 2·atanh(e/(2 + e)).</summary>
    public static T Softplus<T>(T x)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        T two = T.CreateChecked(2);
        bool above = x > T.Zero;
        T e = T.Exp(above ? -x : x), log = two * T.Atanh(e / (two + e));
        return above ? x + log : log;
    }
}
