namespace ConvNet;

/// <summary>Random choices one after another, a function of a seed alone, and the sizes of random cases.</summary>
/// <param name="seed">The seed.</param>
public sealed class RandomDraw(ulong seed) : RandomSequence(seed, Stream)
{
    /// <summary>A sum of more terms than this is a long one.</summary>
    public const int LongSum = 50_000;

    /// <summary>Multiply-adds of a random case without a long sum, at most, or a few times that.</summary>
    public const int MostWork = 500_000;

    // Values to check with come from streams of 0 and above.
    private const int Stream = -2;

    /// <summary>Channels: 1, odd, prime, or one more or less than a vector.</summary>
    public int Channels() => Of(1, 2, 3, 5, 7, 8, 15, 16, 17, 18, 31, 33, 65);

    /// <summary>Samples of a batch.</summary>
    public int Batch() => Of(1, 1, 2, 3, 4, 5, 8);

    /// <summary>A small shape.</summary>
    public Shape Shape() => new(Channels(), Between(1, 9), Between(1, 9));

    /// <summary>A number of terms that makes a long sum.</summary>
    public int ManyTerms() => LongSum + 1 + Below(20_000);

    /// <summary>A map, or a batch of maps, of so many positions.</summary>
    public (int BatchSize, Extent Map) Spread(int positions)
    {
        int n = Of(1, 2, 4, 16), rows = Between(40, 400);
        return (n, (rows, (positions + n * rows - 1) / (n * rows)));
    }

    /// <summary>The input for which a window has so many outputs, or a few more where that would be no input.</summary>
    public Shape InputFor(Window window, int channels, Extent outputs)
    {
        int Size(int count, WindowAxis axis)
        {
            int rest = axis.Rounding == Rounding.Floor ? Below(axis.Stride)
                : axis.Rounding == Rounding.Ceiling && count > 1 ? -Below(axis.Stride) : 0;
            int size = (count - 1) * axis.Stride + (int)axis.Reach - axis.Before - axis.Behind + rest;
            return size >= 1 ? size : size + (axis.Stride - size) / axis.Stride * axis.Stride;
        }
        var any = new Shape(channels, 1, 1);
        return new Shape(channels, Size(outputs.H, window.Rows(any)), Size(outputs.W, window.Columns(any)));
    }

    /// <summary>Padding of up to so much on a side: as much on opposite sides, or one time in three not.</summary>
    public Padding Padding(Extent most)
    {
        int top = Below(most.H + 1), left = Below(most.W + 1);
        return OneIn(3) ? (top, left, Below(most.H + 1), Below(most.W + 1)) : (top, left);
    }
}
