namespace ConvNet;

/// <summary>A sequence of random choices that depends only on a seed, and the sizes of random cases.</summary>
/// <param name="seed">The seed.</param>
public sealed class RandomDraw(ulong seed) : RandomSequence(seed, Stream)
{
    /// <summary>A sum of more terms than this is a long sum.</summary>
    public const int LongSum = 50_000;

    /// <summary>The approximate maximum of multiply-adds of a random case without a long sum; a few times more is
    /// possible.</summary>
    public const int MostWork = 500_000;

    // The values of the cases come from the streams from 0 upwards.
    private const int Stream = -2;

    /// <summary>Draws a number of channels: 1, odd, prime, or one more or less than a vector.</summary>
    public int Channels() => Of(1, 2, 3, 5, 7, 8, 15, 16, 17, 18, 31, 33, 65);

    /// <summary>Draws a batch size.</summary>
    public int Batch() => Of(1, 1, 2, 3, 4, 5, 8);

    /// <summary>Draws a small shape.</summary>
    public Shape Shape() => new(Channels(), Between(1, 9), Between(1, 9));

    /// <summary>Draws a number of terms that makes a long sum.</summary>
    public int ManyTerms() => LongSum + 1 + Below(20_000);

    /// <summary>Draws a batch size and a map size with a given total number of positions.</summary>
    public (int BatchSize, Extent Map) Spread(int positions)
    {
        int n = Of(1, 2, 4, 16), rows = Between(40, 400);
        return (n, (rows, (positions + n * rows - 1) / (n * rows)));
    }

    /// <summary>Returns the input shape for which a window has a given number of outputs, or a few more if no such
    /// shape exists.</summary>
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

    /// <summary>Draws a padding up to a given maximum per side. In one of three cases, opposite sides may
    /// differ.</summary>
    public Padding Padding(Extent most)
    {
        int top = Below(most.H + 1), left = Below(most.W + 1);
        return OneIn(3) ? (top, left, Below(most.H + 1), Below(most.W + 1)) : (top, left);
    }
}
