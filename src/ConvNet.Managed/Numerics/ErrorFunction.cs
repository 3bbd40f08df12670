using System.Numerics;
using MathNet.Numerics;

namespace ConvNet;

/// <summary>The error function of a layer that computes in any number type.</summary>
/// <remarks>
/// The number types of .NET do not have this function. A layer that converts its values to double to compute it loses
/// what a number carries beside its value; the gradient check runs forward passes in numbers that carry a derivative.
/// </remarks>
public static class ErrorFunction
{
    /// <summary>Computes erf(x), in double precision and rounded to the type of x.</summary>
    /// <typeparam name="T">The type of the number.</typeparam>
    /// <param name="x">The argument.</param>
    public static T Value<T>(T x)
        where T : unmanaged, IFloatingPointIeee754<T>
        => x is IErrorFunction<T> own ? own.Erf()
            : T.CreateChecked(SpecialFunctions.Erf(double.CreateChecked(x)));

    /// <summary>Computes erfc(x) = 1 − erf(x), without cancellation for large x, in double precision and rounded to the
    /// type of x.</summary>
    /// <typeparam name="T">The type of the number.</typeparam>
    /// <param name="x">The argument.</param>
    public static T Complement<T>(T x)
        where T : unmanaged, IFloatingPointIeee754<T>
        => x is IErrorFunction<T> own ? own.Erfc()
            : T.CreateChecked(SpecialFunctions.Erfc(double.CreateChecked(x)));
}

/// <summary>A number that computes its own error function, because it is more than a value.</summary>
/// <typeparam name="T">The type of the number.</typeparam>
internal interface IErrorFunction<T>
{
    /// <summary>Computes erf of the number.</summary>
    T Erf();

    /// <summary>Computes erfc of the number.</summary>
    T Erfc();
}
