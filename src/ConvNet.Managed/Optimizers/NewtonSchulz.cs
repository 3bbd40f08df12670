using System.Buffers;
using System.Numerics;
using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>The orthogonalisation of a matrix by Newton–Schulz iterations of the fifth order.</summary>
internal static class NewtonSchulz
{
    /// <summary>a, the factor of X in an iteration.</summary>
    public const double Linear = 3.4445;

    private const double Cubic = -4.7750, Quintic = 2.0315;

    // Rows and columns that are worked on together stay in the caches.
    private const int RowBlock = 16, ColumnBlock = 512;

    /// <summary>Replaces a matrix by X after some iterations X ← aX + (bA + cA²)X, A = XXᵀ.</summary>
    /// <param name="matrix">The matrix of rows × columns, row by row.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="iterations">The number of iterations.</param>
    /// <param name="epsilon">The smallest number by which the matrix is divided at first.</param>
    public static void Orthogonalize<T>(Span<T> matrix, int rows, int columns, int iterations, T epsilon)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        // A is smaller if the rows are the shorter dimension.
        int n = Math.Min(rows, columns), length = Math.Max(rows, columns);
        T[] rented = ArrayPool<T>.Shared.Rent(2 * matrix.Length + 2 * n * n);
        Span<T> x = rented.AsSpan(0, matrix.Length), next = rented.AsSpan(x.Length, x.Length);
        Span<T> a = rented.AsSpan(2 * x.Length, n * n), polynomial = rented.AsSpan(2 * x.Length + a.Length, n * n);
        Copy<T>(matrix, x, rows, columns);
        T norm = SquareSum<T>.Norm(x);
        TensorPrimitives.Divide(x, T.Max(norm, epsilon), x);
        for (int i = 0; i < iterations; i++)
        {
            MultiplyByTransposed<T>(x, x, a, n, length);
            // A is symmetric.
            MultiplyByTransposed<T>(a, a, polynomial, n, n);
            TensorPrimitives.Multiply(polynomial, T.CreateChecked(Quintic), polynomial);
            TensorPrimitives.MultiplyAdd(a, T.CreateChecked(Cubic), polynomial, polynomial);
            TensorPrimitives.Multiply(x, T.CreateChecked(Linear), next);
            AddProduct<T>(polynomial, x, next, n, length);
            Span<T> before = x;
            x = next;
            next = before;
        }
        if (rows > columns)
            Copy<T>(x, matrix, n, length, transposed: true);
        else
            x.CopyTo(matrix);
        ArrayPool<T>.Shared.Return(rented);
    }

    // Copies a matrix, transposed if its rows are the longer dimension.
    private static void Copy<T>(ReadOnlySpan<T> from, Span<T> to, int rows, int columns, bool transposed = false)
        where T : unmanaged
    {
        if (rows <= columns && !transposed)
        {
            from.CopyTo(to);
            return;
        }
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
                to[column * rows + row] = from[row * columns + column];
        }
    }

    // product = XYᵀ for X = Y or a symmetric product: the part above the diagonal is mirrored.
    private static void MultiplyByTransposed<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, Span<T> product, int n,
        int length)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        for (int block = 0; block < n; block += RowBlock)
        {
            for (int i = block; i < n; i++)
            {
                for (int j = block; j <= i && j < block + RowBlock; j++)
                {
                    T dot = TensorPrimitives.Dot(x.Slice(i * length, length), y.Slice(j * length, length));
                    product[i * n + j] = product[j * n + i] = dot;
                }
            }
        }
    }

    // sum += PX
    private static void AddProduct<T>(ReadOnlySpan<T> p, ReadOnlySpan<T> x, Span<T> sum, int n, int length)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        for (int start = 0; start < length; start += ColumnBlock)
        {
            int count = Math.Min(ColumnBlock, length - start);
            for (int i = 0; i < n; i++)
            {
                Span<T> row = sum.Slice(i * length + start, count);
                for (int k = 0; k < n; k++)
                    TensorPrimitives.MultiplyAdd(x.Slice(k * length + start, count), p[i * n + k], row, row);
            }
        }
    }
}
