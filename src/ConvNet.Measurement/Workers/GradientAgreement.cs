using System.Text.Json.Serialization;

namespace ConvNet.Measurement;

/// <summary>The verdict of a gradient check.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<GradientVerdict>))]
public enum GradientVerdict
{
    /// <summary>The gradients were not checked.</summary>
    [JsonStringEnumMemberName("notChecked")]
    NotChecked,

    /// <summary>All values are correct.</summary>
    [JsonStringEnumMemberName("right")]
    Right,

    /// <summary>Some values are wrong.</summary>
    [JsonStringEnumMemberName("wrong")]
    Wrong,
}

/// <summary>The result of a quick gradient check against the reference in double precision.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="Checked">The number of values compared.</param>
/// <param name="Failed">The number of wrong values.</param>
/// <param name="Detail">The worst deviation in words, or what was checked.</param>
public sealed record GradientAgreement(GradientVerdict Verdict, long Checked, long Failed, string Detail)
{
    /// <summary>The result if no check was made.</summary>
    public static GradientAgreement NotChecked { get; } = new(GradientVerdict.NotChecked, 0, 0, "");
}
