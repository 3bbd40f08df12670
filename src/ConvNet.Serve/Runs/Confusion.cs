using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>The confusion matrix of a test.</summary>
/// <param name="Epoch">The epoch after which it was tested.</param>
/// <param name="Matrix">A row for each true class with a number for each predicted class; null if there are more than
/// <see cref="MostShown"/> classes.</param>
/// <param name="Pairs">The classes that are confused most often: the true class, the predicted one, and the number of
/// samples.</param>
internal sealed record Confusion(int Epoch, long[][]? Matrix, IReadOnlyList<long[]> Pairs)
{
    /// <summary>The number of classes of a matrix that is shown as a whole.</summary>
    public const int MostShown = 32;

    private const int MostPairs = 12;

    /// <summary>Reads the matrix of the first output of a record; null if it has none.</summary>
    /// <exception cref="InvalidDataException">It is no square of whole numbers.</exception>
    public static Confusion? Of(JsonElement record, int epoch)
    {
        JsonElement output = record.Items("test").FirstOrDefault();
        if (output.ValueKind != JsonValueKind.Object)
            return null;
        long[][] matrix = [.. output.Items("confusion").Select(Row)];
        if (matrix.Length == 0)
            return null;
        if (matrix.Any(row => row.Length != matrix.Length))
            throw new InvalidDataException($"\"confusion\" has {matrix.Length} rows, and one of them has another "
                + "number of columns");
        IEnumerable<long[]> pairs = from truth in Enumerable.Range(0, matrix.Length)
                                    from guess in Enumerable.Range(0, matrix.Length)
                                    where truth != guess && matrix[truth][guess] > 0
                                    select new long[] { truth, guess, matrix[truth][guess] };
        return new Confusion(epoch, matrix.Length <= MostShown ? matrix : null,
            [.. pairs.OrderByDescending(pair => pair[2]).Take(MostPairs)]);
    }

    private static long[] Row(JsonElement row) => row.ValueKind == JsonValueKind.Array
        ? [.. row.EnumerateArray().Select(count => count.ValueKind == JsonValueKind.Number
            && count.TryGetInt64(out long number) && number >= 0 ? number
            : throw new InvalidDataException("\"confusion\" has what is no whole number of at least 0"))]
        : throw new InvalidDataException("\"confusion\" has a row that is no list");
}
