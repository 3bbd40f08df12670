namespace ConvNet.Measurement;

/// <summary>The variants of the torchsharp backend by the word behind its name, as in
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

    /// <summary>The backend's variants by name.</summary>
    public static IEnumerable<string> Names => s_words.Keys.Select(word => $"{Backend}:{word}");

    /// <summary>The variant that a name has behind its colon; null where the name is no variant of
    /// torchsharp.</summary>
    public static string? WordOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Split(':') is [Backend, var word] && s_words.ContainsKey(word) ? word : null;
    }

    /// <summary>Which convolutions a variant pads; null stands for the backend itself.</summary>
    public static ChannelPadding PaddingOf(string? word) => word is null ? ChannelPadding.WhereNeeded : s_words[word];
}
