using System.Globalization;
using System.Text;
using System.Xml;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Writes a gradient check as JUnit XML for CI systems: a suite for each backend, and a case for each layer
/// and mode.</summary>
internal static class JUnitReport
{
    /// <summary>Writes the document.</summary>
    public static void Write(Stream stream, GradcheckResult result)
    {
        IGrouping<string, LayerReport>[] suites = [.. result.Report.Layers.GroupBy(layer => layer.Backend)];
        using var xml =
            XmlWriter.Create(stream, new XmlWriterSettings
            {
                Indent = true,
                Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)
            });
        xml.WriteStartElement("testsuites");
        Count(xml, $"gradcheck {result.Title}", [.. result.Report.Layers]);
        xml.WriteAttributeString("time", result.Elapsed.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture));
        foreach (IGrouping<string, LayerReport> suite in suites)
        {
            xml.WriteStartElement("testsuite");
            Count(xml, suite.Key, [.. suite]);
            foreach (LayerReport layer in suite)
                WriteCase(xml, result, layer);
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
    }

    private static void Count(XmlWriter xml, string name, LayerReport[] layers)
    {
        Attribute(xml, "name", name);
        Attribute(xml, "tests", $"{layers.Length}");
        Attribute(xml, "failures", $"{layers.Count(layer => layer.Verdict == Verdict.Fail)}");
        Attribute(xml, "errors", "0");
        Attribute(xml, "skipped", "0");
    }

    private static void WriteCase(XmlWriter xml, GradcheckResult result, LayerReport layer)
    {
        xml.WriteStartElement("testcase");
        Attribute(xml, "classname", $"gradcheck.{result.Title}.{layer.Backend}");
        Attribute(xml, "name", $"{layer.Layer}, {GradientWords.Of(layer.Mode)}");
        string[] notes = [.. layer.Tensors.Where(tensor => tensor.Verdict != Verdict.Pass)
            .Select(tensor => GradientWords.Explain(layer, tensor))];
        if (layer.Verdict == Verdict.Fail)
        {
            xml.WriteStartElement("failure");
            Attribute(xml, "type", "gradient");
            Attribute(xml, "message", notes[0]);
            xml.WriteString(
                Clean(string.Join('\n', result.Reproduce is { } again ? notes.Append($"reproduce: {again}") : notes)));
            xml.WriteEndElement();
        }
        else if (notes.Length > 0)
        {
            xml.WriteElementString("system-out", Clean(string.Join('\n', notes)));
        }
        xml.WriteEndElement();
    }

    private static void Attribute(XmlWriter xml, string name, string value)
        => xml.WriteAttributeString(name, Clean(value));

    // Names come from user files and may contain characters that XML cannot represent.
    private static string Clean(string text) => string.Concat(text.Select(c => XmlConvert.IsXmlChar(c) ? c : '?'));
}
