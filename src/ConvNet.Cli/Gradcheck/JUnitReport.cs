using System.Globalization;
using System.Text;
using System.Xml;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Writes a gradient check as JUnit XML for CI systems: a suite for each backend, and a case for each
/// comparison of a layer or of an operation of the plan.</summary>
/// <remarks>A case whose deviations are accepted is skipped, with the reason. There is no time per case: backends and
/// layers are compared in turn.</remarks>
internal static class JUnitReport
{
    private const int MostValues = 10;

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
            LayerReport[] layers = [.. suite];
            xml.WriteStartElement("testsuite");
            Count(xml, suite.Key, layers);
            Attribute(xml, "skipped", $"{layers.Count(layer => layer.Verdict == Verdict.Accepted)}");
            WriteProperties(xml, result, suite.Key);
            foreach ((LayerReport layer, string name) in layers.Zip(Names(layers)))
                WriteCase(xml, result, layer, name);
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
    }

    // CI systems identify a case by its name across runs, so that of one layer must not depend on the others where
    // possible.
    private static string[] Names(LayerReport[] layers)
    {
        string[] names = [.. layers.Select(layer => $"{layer.Layer}, {GradientWords.Of(layer.Mode)}")];
        foreach (Func<LayerReport, string> detail in (Func<LayerReport, string>[])
            [layer => layer.Kind, layer => layer.Remark])
        {
            HashSet<string> repeated = [.. names.CountBy(name => name).Where(each => each.Value > 1)
                .Select(each => each.Key)];
            names = [.. names.Select((name, i) => repeated.Contains(name) && detail(layers[i]).Length > 0
                ? $"{name}, {detail(layers[i])}" : name)];
        }
        var taken = new HashSet<string>();
        return [.. names.Select(name =>
        {
            string unique = name;
            for (int number = 2; !taken.Add(unique); number++)
                unique = $"{name} ({number})";
            return unique;
        })];
    }

    private static void Count(XmlWriter xml, string name, LayerReport[] layers)
    {
        Attribute(xml, "name", name);
        Attribute(xml, "tests", $"{layers.Length}");
        Attribute(xml, "failures", $"{layers.Count(layer => layer.Verdict == Verdict.Fail)}");
        Attribute(xml, "errors", "0");
    }

    private static void WriteProperties(XmlWriter xml, GradcheckResult result, string suite)
    {
        var properties = new List<(string Name, string Value)>();
        if (result.Backends.FirstOrDefault(each => each.Name == suite) is { } backend)
            properties.AddRange([("version", backend.Info.Version), ("isa", backend.Info.Isa),
                ("precision", BackendText.Words(backend.Info.Precision)),
                ("threads", string.Join(",", backend.Threads.Distinct()))]);
        if (result.Options.Count > 0)
            properties.AddRange([("seed", Values(result.Options.Select(options => options.Seed))),
                ("batch", Values(result.Options.Select(options => options.BatchSize)))]);
        if (properties.Count == 0)
            return;
        xml.WriteStartElement("properties");
        foreach ((string name, string value) in properties)
        {
            xml.WriteStartElement("property");
            Attribute(xml, "name", name);
            Attribute(xml, "value", value);
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
    }

    private static string Values<T>(IEnumerable<T> values)
    {
        T[] distinct = [.. values.Distinct()];
        return string.Join(",", distinct.Take(MostValues)) + (distinct.Length > MostValues ? ",…" : "");
    }

    private static void WriteCase(XmlWriter xml, GradcheckResult result, LayerReport layer, string name)
    {
        xml.WriteStartElement("testcase");
        Attribute(xml, "classname", $"gradcheck.{result.Title}.{layer.Backend}");
        Attribute(xml, "name", name);
        string[] notes = [.. layer.Tensors.Where(tensor => tensor.Verdict != Verdict.Pass)
            .OrderByDescending(tensor => tensor.Verdict).Select(tensor => GradientWords.Explain(layer, tensor))];
        string text = Clean(string.Join('\n', notes));
        if (layer.Verdict == Verdict.Fail)
        {
            xml.WriteStartElement("failure");
            Attribute(xml, "type", "gradient");
            Attribute(xml, "message", notes[0]);
            xml.WriteString(result.Reproduce is { } again ? $"{text}\n{Clean($"reproduce: {again}")}" : text);
            xml.WriteEndElement();
        }
        else if (layer.Verdict == Verdict.Accepted)
        {
            xml.WriteElementString("skipped", text);
        }
        xml.WriteEndElement();
    }

    private static void Attribute(XmlWriter xml, string name, string value)
        => xml.WriteAttributeString(name, Clean(value));

    // Names come from user files and may contain characters that XML cannot represent.
    private static string Clean(string text) => string.Concat(text.Select(c => XmlConvert.IsXmlChar(c) ? c : '?'));
}
