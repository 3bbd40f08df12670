namespace ConvNet.Measurement;

/// <summary>The variants of the torchsharp backend. The name of a variant follows that of the backend, as in
/// <c>torchsharp:unpadded</c>.</summary>
public static class TorchVariants
{
    /// <summary>The name of the backend.</summary>
    public const string Backend = "torchsharp";

    private static readonly Dictionary<string, ChannelPadding> s_words = new(StringComparer.Ordinal)
    {
        ["padded"] = ChannelPadding.Always,
        ["unpadded"] = ChannelPadding.Never,
    };

    /// <summary>The full names of the variants.</summary>
    public static IEnumerable<string> Names => s_words.Keys.Select(word => $"{Backend}:{word}");

    /// <summary>Returns the variant part of a name. Null if the name is not a torchsharp variant.</summary>
    public static string? WordOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Split(':') is [Backend, var word] && s_words.ContainsKey(word) ? word : null;
    }

    /// <summary>Returns the channel padding of a variant. Null stands for the backend without a variant.</summary>
    public static ChannelPadding PaddingOf(string? word) => word is null ? ChannelPadding.WhereNeeded : s_words[word];
}
