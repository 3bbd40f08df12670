using System.CommandLine;
using ConvNet.Backends;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet backends</c>: lists the backends, and why they are not available.</summary>
internal sealed class BackendsVerb : Verb
{
    public BackendsVerb() : base("backends",
        "Lists the backends and explains why any of them is not available.", "backends --json")
    {
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        List<BackendProbe> probes = [.. BackendRegistry.Families
            .Select(family => BackendProbe.Of(family.Name, null, terminal.Cancellation))];
        string? auto = BackendProbe.Auto(probes);
        if (!terminal.Json)
        {
            terminal.People.Write(TableOf(probes));
            foreach (BackendProbe probe in probes)
            {
                foreach (BackendLimit limit in probe.Limits)
                    terminal.People.WriteLine($"{probe.Name}: {limit.What} {limit.Why}");
            }
            terminal.People.WriteLine($"--backend {BackendRegistry.Auto} selects {auto ?? "none"}: the first of "
                + $"{string.Join(", ", BackendRegistry.Ranking)} that passes its self-test.");
        }
        terminal.WriteJson(new { backends = probes, auto });
        return ExitCode.Ok;
    }

    /// <summary>Creates a table with a row for each backend.</summary>
    internal static TextTable TableOf(IEnumerable<BackendProbe> probes)
    {
        var table = new TextTable(1, "backend", "available", "version", "isa", "precision", "threads",
            TableHead.Prose("self-test"), TableHead.Prose("library, or reason"));
        foreach (BackendProbe probe in probes)
            table.Add(probe.Name, probe.Available ? "yes" : "no", probe.Version ?? "", probe.Isa ?? "",
                probe.Precision ?? "", $"{probe.Threads}", probe.SelfTest?.Finding ?? "",
                probe.Library ?? probe.Reason ?? "");
        return table;
    }
}
