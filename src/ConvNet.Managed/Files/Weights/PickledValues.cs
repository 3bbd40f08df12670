namespace ConvNet.Serialization;

/// <summary>A function or a type that a pickle names. It is never called.</summary>
/// <param name="Name">The module and the name, such as <c>torch._utils._rebuild_tensor_v2</c>.</param>
internal sealed record PickledName(string Name);

/// <summary>An object of which nothing is known but its type: it is never made.</summary>
/// <param name="Type">The name of its type, or of the function that would return it.</param>
internal sealed record PickledObject(string Type);

/// <summary>A dictionary, in the order in which it was filled.</summary>
internal sealed class PickledDictionary
{
    /// <summary>The entries.</summary>
    public List<(object? Key, object? Value)> Entries { get; } = [];
}

/// <summary>Values in an entry of the archive.</summary>
/// <param name="Type">The name of the storage type, such as <c>FloatStorage</c>.</param>
/// <param name="Key">The name of the entry in the folder <c>data</c>.</param>
/// <param name="Count">The number of values.</param>
internal sealed record PickledStorage(string Type, string Key, long Count);

/// <summary>A tensor: a view of a storage.</summary>
/// <param name="Storage">The storage.</param>
/// <param name="Offset">The index of its first value there.</param>
/// <param name="Sizes">Its sizes, outermost first.</param>
/// <param name="Strides">The distance of neighbours along each dimension, in values.</param>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, int[] Sizes, long[] Strides);
