using System.Text;
using ConvNet.Serialization;
using nietras.SeparatedValues;

namespace ConvNet.Cli;

/// <summary>Writes predictions as CSV: a line for each image and class.</summary>
internal static class PredictionCsv
{
    /// <summary>Writes the file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="predictions">The predictions.</param>
    /// <param name="nameOf">Returns the name of a class.</param>
    public static void Write(string path, IEnumerable<Prediction> predictions, Func<int, string> nameOf)
    {
        byte[] text = Encoding.UTF8.GetBytes(TextOf(predictions, nameOf));
        AtomicFile.Write(path, "the classes", stream => stream.Write(text));
    }

    /// <summary>Returns the lines.</summary>
    /// <param name="predictions">The predictions.</param>
    /// <param name="nameOf">Returns the name of a class.</param>
    public static string TextOf(IEnumerable<Prediction> predictions, Func<int, string> nameOf)
    {
        using SepWriter table = Sep.New(',').Writer(options => options with { Escape = true }).ToText();
        foreach (Prediction each in predictions)
        {
            for (int rank = 0; rank < each.Classes.Count; rank++)
            {
                using SepWriter.Row row = table.NewRow();
                row["image"].Set(each.Image);
                row["rank"].Format(rank + 1);
                row["class"].Format(each.Classes[rank].Class);
                row["name"].Set(nameOf(each.Classes[rank].Class));
                row["probability"].Format(each.Classes[rank].Probability);
            }
        }
        return table.ToString();
    }
}
