using System.Numerics;

namespace ConvNet;

/// <summary>A sum of squares, for the Euclidean norm of a parameter.</summary>
/// <remarks>Numbers in single precision are summed in double precision, where the squares cannot overflow.</remarks>
/// <typeparam name="T">The type of the numbers.</typeparam>
internal struct SquareSum<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private double _ofSingles;
    private T _sum;

    /// <summary>The root of the sum.</summary>
    public readonly T Root => typeof(T) == typeof(float) ? T.CreateChecked(Math.Sqrt(_ofSingles)) : T.Sqrt(_sum);

    /// <summary>Returns the Euclidean norm of some values.</summary>
    public static T Norm(ReadOnlySpan<T> values)
    {
        var sum = new SquareSum<T>();
        foreach (T value in values)
            sum.Add(value);
        return sum.Root;
    }

    /// <summary>Adds the square of a number.</summary>
    public void Add(T value)
    {
        if (typeof(T) == typeof(float))
        {
            double single = double.CreateChecked(value);
            _ofSingles += single * single;
        }
        else
        {
            _sum += value * value;
        }
    }
}
