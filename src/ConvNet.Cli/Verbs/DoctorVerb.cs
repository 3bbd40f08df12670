using System.CommandLine;
using System.Runtime.InteropServices;
using ConvNet.Backends;
using ConvNet.Measurement;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet doctor</c>: runs the self-tests of the backends and reports limitations with their reasons and
/// remedies.</summary>
internal sealed class DoctorVerb : Verb
{
    private readonly Option<string?> _backend;
    private readonly Option<int?> _threads;

    public DoctorVerb() : base("doctor",
        "Tests the backends and reports their limitations, with reasons and remedies.",
        "doctor",
        "doctor --backend torchsharp:unpadded",
        "doctor --threads 8 --json")
    {
        _backend = Optional<string>("--backend",
            $"Test only this backend: {BackendRegistry.Names}. Default: every backend on every instruction set.",
            "NAME");
        _threads = ThreadsOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string? name = command.GetValue(_backend);
        if (name is not null && !BackendRegistry.Has(name))
            throw BackendRegistry.NoSuch(name);
        int? threads = command.GetValue(_threads);
        List<BackendProbe> probes = [.. name is null
            ? All(threads, terminal.Cancellation) : [BackendProbe.Of(name, threads, terminal.Cancellation)]];
        // A single backend does not determine which one auto selects.
        string? auto = name is null ? BackendProbe.Auto(probes) : null;
        BackendProbe[] wrong = [.. probes.Where(probe => probe.SelfTest is { Passed: false })];
        bool right = wrong.Length == 0 && (name is null ? auto is not null : probes[0].Available);
        if (!terminal.Json)
        {
            terminal.People.WriteLine(MachineText());
            Write(terminal.People, probes);
            foreach (BackendProbe one in probes.Where(each => each.Library is not null)
                .DistinctBy(each => each.Library))
                Tables.WriteUnbroken(terminal.People, $"{one.Name}: {one.Library}, {one.LibraryBytes / 1e6:N1} MB");
            if (name is null)
                terminal.People.WriteLine($"--backend {BackendRegistry.Auto} selects {auto ?? "none"}.");
            if (right)
                terminal.People.WriteLine("All backends that can run on this machine pass their self-tests.");
        }
        terminal.WriteJson(new
        {
            machine = new
            {
                Machine.Processor,
                processors = Processors.Online,
                usable = Environment.ProcessorCount,
                Processors.Quota,
                system = RuntimeInformation.OSDescription,
                runtime = RuntimeInformation.FrameworkDescription,
            },
            backends = probes,
            auto,
            right,
        });
        if (right)
            return ExitCode.Ok;
        return terminal.Fail(wrong.Length > 0 ? WhatIsWrong(wrong)
            : $"{(name is null ? "No backend can" : $"{name} cannot")} run on this machine; see above for reason and "
                + "remedy.");
    }

    /// <summary>Writes a row for each backend, and one for each limitation.</summary>
    internal static void Write(IAnsiConsole people, IReadOnlyList<BackendProbe> probes)
    {
        var found = new TextTable(1, "backend", "computes", "version", "isa", "precision", TableHead.Figure("threads"),
            TableHead.Prose("self-test, or reason"));
        foreach (BackendProbe probe in probes)
        {
            string computes = probe.SelfTest is not { } test ? "unavailable" : test.Passed ? "right" : "wrong";
            found.Add(probe.Name, computes, probe.Version ?? "", probe.Isa ?? "", probe.Precision ?? "",
                $"{probe.Threads}", probe.SelfTest?.Finding ?? probe.Reason ?? "");
        }
        people.Write(found);
        // Limitations shared by several backends are listed once.
        IGrouping<BackendLimit, string>[] limits = [.. probes
            .SelectMany(probe => probe.Limits.Select(limit => (probe.Name, Limit: limit)))
            .GroupBy(each => each.Limit, each => each.Name)];
        if (limits.Length == 0)
            return;
        var table = new TextTable(1, "backend", TableHead.Prose("limitation"), TableHead.Prose("effect"),
            TableHead.Prose("remedy"));
        foreach (IGrouping<BackendLimit, string> limit in limits)
            table.Add(string.Join(", ", limit), limit.Key.What, limit.Key.Why, limit.Key.Remedy);
        people.Write(table);
    }

    // Every backend, including the other instruction sets of native, each in its own process.
    private static IEnumerable<BackendProbe> All(int? threads, CancellationToken cancellation)
    {
        foreach (string name in BackendRegistry.Families.Select(family => family.Name))
        {
            var probe = ProbeProcess.Of(name, threads, cancellation);
            yield return probe;
            if (probe.Isa is null)
                continue;
            string taken = $"{name}:{probe.Isa}";
            foreach (string variant in BackendRegistry.InstructionSetsOf(name).Where(each => each != taken))
                yield return ProbeProcess.Of(variant, threads, cancellation);
        }
    }

    private static string MachineText()
    {
        string quota = Processors.Quota is { } most ? $"; limited by a control group to {most:0.##}" : "";
        return $"{Machine.Processor}, {Processors.Online} processors, {Environment.ProcessorCount} of them for this "
            + $"process{quota}; {RuntimeInformation.OSDescription}; {RuntimeInformation.FrameworkDescription}";
    }

    private static string WhatIsWrong(BackendProbe[] wrong)
    {
        string names = string.Join(", ", wrong.Select(probe => probe.Name));
        string limits = wrong.All(probe => probe.Limits.Count > 0) ? "see above for remedies; " : "";
        return $"{names} {(wrong.Length == 1 ? "computes" : "compute")} wrong results on this machine: {limits}"
            + $"--backend {BackendRegistry.Auto} never selects such a backend, and convnet gradcheck --backends "
            + $"{wrong[0].Name} shows which layers are affected.";
    }
}
