using Onnx;

namespace ConvNet.Onnx;

/// <summary>The sizes of the inputs of a model.</summary>
/// <param name="Batch">The number of samples in the sizes, or <see cref="ImportContext.FreeBatch"/>.</param>
/// <param name="Inputs">The sizes by name; the first is the number of samples.</param>
internal sealed record InputSizes(long Batch, IReadOnlyList<(string Name, long[] Sizes)> Inputs)
{
    /// <summary>Reads the sizes from the types of the inputs.</summary>
    /// <param name="inputs">The inputs.</param>
    /// <param name="shapes">Shapes of samples that replace those of the file.</param>
    /// <param name="isUnbatched">Whether the inputs have no dimension of the samples.</param>
    /// <exception cref="InvalidDataException">An input is not a tensor of numbers, or a size is free or
    /// differs.</exception>
    public static InputSizes Of(IReadOnlyList<ValueInfoProto> inputs, IReadOnlyDictionary<string, Shape> shapes,
        bool isUnbatched)
    {
        if (shapes.Keys.FirstOrDefault(name => inputs.All(input => input.Name != name)) is { } unknown)
            throw new InvalidDataException($"there is no input \"{Excerpt.Of(unknown)}\"; "
                + (inputs.Count == 0 ? "no output depends on an input."
                    : $"the inputs are {string.Join(", ", inputs.Select(input => Excerpt.Of(input.Name)))}."));
        var sizes = new List<(string Name, long[] Sizes)>();
        foreach (ValueInfoProto input in inputs)
        {
            if (input.Type?.TensorType is not { Shape: not null } type
                || TensorReader.KindOf(type.ElemType) is not (ElementKind.Real or ElementKind.Whole))
                throw new InvalidDataException($"the input \"{Excerpt.Of(input.Name)}\" is not a tensor of numbers "
                    + "with known sizes.");
            sizes.Add((input.Name, isUnbatched ? Whole(input.Name, type.Shape)
                : Of(input.Name, type.Shape, shapes)));
        }
        if (isUnbatched)
            return new InputSizes(1, sizes);
        long[] given = [.. sizes.Select(each => each.Sizes[0]).Where(size => size > 0).Distinct()];
        if (given.Length > 1)
            throw new InvalidDataException($"the inputs have {string.Join(" and ", given)} samples; the first "
                + "dimension of every input must be that of the samples.");
        long batch = given is [var fixedBatch] ? fixedBatch : ImportContext.FreeBatch;
        return new InputSizes(batch, [.. sizes.Select(each => (each.Name, (long[])[batch, .. each.Sizes[1..]]))]);
    }

    private static long[] Whole(string name, TensorShapeProto shape)
    {
        long[] sizes = [1, .. shape.Dim.Select(dimension => Math.Max(0, dimension.DimValue))];
        return Array.IndexOf(sizes, 0) is > 0 and var free
            ? throw new InvalidDataException($"dimension {free - 1} of the input \"{Excerpt.Of(name)}\" is free. "
                + "Without a dimension of the samples, all sizes must be in the file.")
            : sizes;
    }

    // The number of samples is 0 if it is free.
    private static long[] Of(string name, TensorShapeProto shape, IReadOnlyDictionary<string, Shape> shapes)
    {
        long[] sizes = [.. shape.Dim.Select(dimension => Math.Max(0, dimension.DimValue))];
        if (sizes.Length == 0)
            throw new InvalidDataException($"the input \"{Excerpt.Of(name)}\" is a scalar; it has no dimension of the "
                + "samples. Import the file as unbatched.");
        if (shapes.TryGetValue(name, out Shape wanted))
        {
            int[] sample = [wanted.C, wanted.H, wanted.W];
            if (sizes.Length > 4 || sample.Skip(sizes.Length - 1).Any(size => size != 1))
                throw new InvalidDataException($"the input \"{Excerpt.Of(name)}\" has {sizes.Length} dimensions, so "
                    + $"that its samples cannot be {wanted}.");
            return [sizes[0], .. sample.Take(sizes.Length - 1).Select(size => (long)size)];
        }
        return Array.IndexOf(sizes, 0, 1) is > 0 and var free
            ? throw Free(name, $"dimension {free} of the input \"{Excerpt.Of(name)}\" "
                + (shape.Dim[free].DimParam is { Length: > 0 } word ? $"({Excerpt.Of(word)}) " : "")
                + $"is free. Give the shape of a sample: {Excerpt.Of(name)}=3x224x224.")
            : sizes;
    }

    private static InvalidDataException Free(string input, string message)
        => new(message, new FreeSizeException(message, input));
}
