using System.Collections;
using System.Globalization;
using System.Text;

namespace ConvNet;

/// <summary>Formats records as the compiler does, but prints the elements of collections instead of the names of their
/// types.</summary>
internal static class RecordText
{
    // The first few elements of a long collection are enough.
    private const int MostElements = 8;

    /// <summary>Returns text such as <c>Name { A = 1, B = [x, y, 5 more] }</c>.</summary>
    /// <param name="record">The name of the record.</param>
    /// <param name="members">The members, in order.</param>
    public static string Of(string record, params ReadOnlySpan<(string Name, object? Value)> members)
    {
        var text = new StringBuilder(record).Append(" { ");
        for (int i = 0; i < members.Length; i++)
            text.Append(i > 0 ? ", " : "").Append(members[i].Name).Append(" = ").Append(Of(members[i].Value));
        return text.Append(members.IsEmpty ? "}" : " }").ToString();
    }

    private static string Of(object? value)
    {
        if (value is string or not IEnumerable)
            return Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        // The pairs of a dictionary format themselves as [key, value].
        object?[] first = [.. ((IEnumerable)value).Cast<object?>().Take(MostElements + 1)];
        if (first.Length <= MostElements)
            return $"[{string.Join(", ", first.Select(Of))}]";
        int more = (value is ICollection all ? all.Count : ((IEnumerable)value).Cast<object?>().Count()) - MostElements;
        string texts = string.Join(", ", first.Take(MostElements).Select(Of));
        return string.Create(CultureInfo.InvariantCulture, $"[{texts}, {more} more]");
    }
}
