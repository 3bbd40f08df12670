namespace ConvNet.Onnx;

/// <summary>Products of constant matrices.</summary>
internal static class FoldedProducts
{
    // So that a small file cannot ask for much time: about a second.
    private const double MostProducts = 1 << 30;

    /// <summary>MatMul of two matrices, of which each may be a vector: a row before the other, a column behind
    /// it.</summary>
    public static OnnxTensor MatMul(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        (OnnxTensor a, OnnxTensor b) = (inputs[0]!, inputs[1]!);
        bool isRow = a.Sizes.Length == 1, isColumn = b.Sizes.Length == 1;
        OnnxTensor product = Product(node, isRow ? a.WithSizes([1, a.Length]) : a,
            isColumn ? b.WithSizes([b.Length, 1]) : b, (false, false), 1);
        return product.WithSizes([.. isRow ? [] : product.Sizes[..1], .. isColumn ? [] : product.Sizes[1..]]);
    }

    /// <summary>Gemm.</summary>
    public static OnnxTensor Gemm(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor product = Product(node, inputs[0]!, inputs[1]!, (node.Whole("transA") != 0,
            node.Whole("transB") != 0), node.Real("alpha", 1));
        float beta = node.Real("beta", 1);
        return inputs.ElementAtOrDefault(2) is not { } added ? product
            : FoldedArithmetic.Of((sum, value) => sum + beta * value, (sum, _) => sum)(node, [product, added]);
    }

    private static OnnxTensor Product(OnnxNode node, OnnxTensor a, OnnxTensor b, (bool OfA, bool OfB) transposed,
        float factor)
    {
        if (a.Sizes.Length != 2 || b.Sizes.Length != 2 || a.Kind != ElementKind.Real || b.Kind != ElementKind.Real)
            throw new UnsupportedNodeException("its constants are not matrices of real numbers");
        (long rows, long terms) = transposed.OfA ? (a.Sizes[1], a.Sizes[0]) : (a.Sizes[0], a.Sizes[1]);
        (long others, long columns) = transposed.OfB ? (b.Sizes[1], b.Sizes[0]) : (b.Sizes[0], b.Sizes[1]);
        if (others != terms)
            throw new InvalidDataException($"{node.Place} multiplies a row of {terms} values by a column of {others}.");
        if ((double)rows * terms * columns > MostProducts || (double)rows * columns > Folding.MostValues)
            throw new UnsupportedNodeException($"it multiplies constants of {string.Join('×', a.Sizes)} and "
                + $"{string.Join('×', b.Sizes)} values");
        var product = new float[rows * columns];
        for (int i = 0; i < product.Length; i++)
        {
            (long row, long column) = Math.DivRem(i, columns);
            double sum = 0;
            for (long k = 0; k < terms; k++)
                sum += (double)a.Reals[transposed.OfA ? k * rows + row : row * terms + k]
                    * b.Reals[transposed.OfB ? column * terms + k : k * columns + column];
            product[i] = (float)(factor * sum);
        }
        return OnnxTensor.Of([rows, columns], product);
    }
}
