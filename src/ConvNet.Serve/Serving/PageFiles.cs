using System.Reflection;

namespace ConvNet.Serve.Serving;

/// <summary>The files of the page, which are part of this assembly.</summary>
internal static class PageFiles
{
    private static readonly Dictionary<string, (string Type, byte[] Content)> s_files = new()
    {
        ["/"] = File("text/html", "live.html"),
        ["/live.js"] = File("text/javascript", "charts.js", "live.js"),
        ["/live.css"] = File("text/css", "page.css", "uPlot.min.css", "live.css"),
        ["/uplot.js"] = File("text/javascript", "uPlot.iife.min.js"),
    };

    /// <summary>Returns the type and the content of a file; null if there is no such file.</summary>
    /// <param name="path">The path of the request.</param>
    public static (string Type, byte[] Content)? Find(string path)
        => s_files.TryGetValue(path, out (string, byte[]) file) ? file : null;

    private static (string, byte[]) File(string type, params string[] resources)
    {
        using var content = new MemoryStream();
        foreach (string name in resources)
        {
            using Stream part = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
            part.CopyTo(content);
            content.WriteByte((byte)'\n');
        }
        return ($"{type}; charset=utf-8", content.ToArray());
    }
}
