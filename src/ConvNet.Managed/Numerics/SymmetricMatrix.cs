namespace ConvNet.Numerics;

/// <summary>Computations with symmetric matrices.</summary>
internal static class SymmetricMatrix
{
    private const int MostSweeps = 100;

    /// <summary>Computes eigenvalues and eigenvectors by Jacobi's method: rotations, each of which makes one pair of
    /// elements zero, until all elements beside the diagonal are.</summary>
    /// <remarks>Source: Golub and Van Loan, Matrix Computations, section 8.5.</remarks>
    /// <param name="matrix">The symmetric matrix.</param>
    /// <returns>The eigenvalues by falling size, and the eigenvectors as columns in the same order.</returns>
    public static (double[] Values, double[,] Vectors) Eigen(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        double[,] a = (double[,])matrix.Clone(), v = new double[n, n];
        for (int i = 0; i < n; i++)
            v[i, i] = 1;
        for (int sweep = 0; sweep < MostSweeps && Rotated(a, v, n); sweep++)
        {
        }
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(i => a[i, i])];
        double[,] vectors = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
                vectors[i, j] = v[i, order[j]];
        }
        return ([.. order.Select(i => a[i, i])], vectors);
    }

    // Rotates every pair of rows and columns once. Returns false if nothing was left to rotate.
    private static bool Rotated(double[,] a, double[,] v, int n)
    {
        bool rotated = false;
        for (int p = 0; p < n; p++)
        {
            for (int q = p + 1; q < n; q++)
            {
                // Smaller elements do not change the sums on the diagonal.
                if (Math.Abs(a[p, q]) <= 1e-17 * Math.Sqrt(Math.Abs(a[p, p] * a[q, q])))
                    continue;
                rotated = true;
                double theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
                double t = (theta < 0 ? -1 : 1) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1));
                double c = 1 / Math.Sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < n; k++)
                    (a[k, p], a[k, q]) = (c * a[k, p] - s * a[k, q], s * a[k, p] + c * a[k, q]);
                for (int k = 0; k < n; k++)
                    (a[p, k], a[q, k]) = (c * a[p, k] - s * a[q, k], s * a[p, k] + c * a[q, k]);
                for (int k = 0; k < n; k++)
                    (v[k, p], v[k, q]) = (c * v[k, p] - s * v[k, q], s * v[k, p] + c * v[k, q]);
                (a[p, q], a[q, p]) = (0, 0);
            }
        }
        return rotated;
    }
}
