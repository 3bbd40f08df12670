using System.CommandLine;
using ConvNet.Diagnostics;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet backends</c>: what can compute here, and why not where it cannot.</summary>
internal sealed class BackendsVerb : Verb
{
    public BackendsVerb() : base("backends", "Lists the backends, and why one is not available.", "backends --json")
    {
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        List<Entry> entries = [.. BackendCatalog.Families.Select(name => Probe(name, terminal.Cancellation))];
        string? auto = BackendCatalog.Ranking.FirstOrDefault(name => entries.Any(entry => entry.Name == name && entry.SelfTest is { Passed: true }));
        if (!terminal.Json)
        {
            terminal.People.Write(TableOf(entries));
            foreach (Entry entry in entries.Where(entry => entry.Note is not null))
                terminal.People.WriteLine($"{entry.Name}: {entry.Note}");
            terminal.People.WriteLine($"--backend {BackendCatalog.Auto} takes {auto ?? "none"}: the first of {string.Join(", ", BackendCatalog.Ranking)} that passes its self-test.");
        }
        terminal.WriteJson(new { backends = entries, auto });
        return App.Ok;
    }

    private static Entry Probe(string name, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            using IBackend backend = BackendCatalog.Create(name, null);
            BackendInfo info = backend.Info;
            return new Entry(name, true, info.Version, info.Isa, BackendText.Words(info.Precision), info.Threads,
                info.Library, null, SelfTest.Of(backend, cancellation), info.Note);
        }
        catch (Exception failure) when (BackendCatalog.IsUnavailable(failure))
        {
            return new Entry(name, false, null, null, null, null, null, failure.Message, null, null);
        }
    }

    /// <summary>A row for every backend.</summary>
    internal static TextTable TableOf(IEnumerable<Entry> entries)
    {
        var table = new TextTable(1, "backend", "available", "version", "isa", "precision", "threads",
            TableHead.Prose("self-test"), TableHead.Prose("library, or why not"));
        foreach (Entry entry in entries)
            table.Add(entry.Name, entry.Available ? "yes" : "no", entry.Version ?? "", entry.Isa ?? "",
                entry.Precision ?? "", $"{entry.Threads}", entry.SelfTest?.Finding ?? "",
                entry.Library ?? entry.Reason ?? "");
        return table;
    }

    /// <summary>One backend, as the JSON document has it.</summary>
    internal sealed record Entry(string Name, bool Available, string? Version, string? Isa, string? Precision,
        int? Threads, string? Library, string? Reason, SelfTestResult? SelfTest, string? Note);
}
