using System.Globalization;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;

namespace ConvNet.Bench;

/// <summary>Runs benchmarks and stores complete results in bench/results, by processor.</summary>
internal static class ResultFiles
{
    // On a busy machine, a build takes longer than the default of two minutes.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Runs the benchmarks selected by the arguments of BenchmarkDotNet.</summary>
    /// <returns>0, or 1 if a benchmark failed or its result was not stored.</returns>
    public static int Run(string[] args)
    {
        string folder = Path.Combine(SourceTree.Root ?? throw new InvalidOperationException("Results are stored in "
            + $"the repository, but {AppContext.BaseDirectory} is not inside one."), "bench", "results");
        double before = Peak();
        Summary[] summaries = [.. BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly)
            .Run(args, ManualConfig.Create(DefaultConfig.Instance).WithBuildTimeout(Patience))];
        double after = Peak();
        bool kept = true;
        foreach (Summary summary in summaries.Where(summary => summary.BenchmarksCases.Length > 0))
        {
            string? reason = WhyNotKept(summary);
            kept &= reason is null;
            Console.WriteLine(reason ?? "written: "
                + $"{string.Join(", ", ResultOf(summary, (before, after)).Write(folder, TableOf(summary)))}");
        }
        return kept ? 0 : 1;
    }

    // An incomplete result must not replace a complete one, and a single call is not a measurement.
    private static string? WhyNotKept(Summary summary)
    {
        Type[] types = [.. summary.BenchmarksCases.Select(c => c.Descriptor.Type).Distinct()];
        if (types.Length > 1)
            return $"{string.Join(", ", types.Select(type => type.Name))} are not stored: run them without --join.";
        int all = BenchmarkConverter.TypeToBenchmarks(types[0]).BenchmarksCases.Length,
            measured = summary.Reports.Count(report => report.ResultStatistics is { N: > 1 });
        return measured == all ? null : $"{types[0].Name} is not stored: only {measured} of its {all} cases were "
            + $"measured more than once. Use --filter '*{types[0].Name}*' to run all.";
    }

    private static CarefulResult ResultOf(Summary summary, (double, double) peaks) => new(
        summary.BenchmarksCases[0].Descriptor.Type.Name, Machine.Processor, Environment.ProcessorCount, peaks,
            [.. Versions(summary)],
        SourceCommit.Of(SourceTree.Root!), [.. summary.Reports.Select(RowOf)]);

    private static CarefulRow RowOf(BenchmarkReport report)
    {
        var parameters = report.BenchmarkCase.Parameters.Items.ToDictionary(item => item.Name,
            item => Convert.ToString(item.Value, CultureInfo.InvariantCulture)!);
        bool counted = report.Metrics.ContainsKey("Allocated Memory");
        return new CarefulRow(report.BenchmarkCase.Descriptor.WorkloadMethod.Name, parameters,
            report.ResultStatistics!.Median, report.ResultStatistics.Mean,
            report.ResultStatistics.StandardDeviation, report.ResultStatistics.N,
                counted ? report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) : null);
    }

    private static IEnumerable<string> Versions(Summary summary)
    {
        object[] backends = [.. summary.BenchmarksCases.SelectMany(c => c.Parameters.Items)
            .Where(item => item.Name == nameof(WorkloadBench.Backend)).Select(item => item.Value).Distinct()];
        foreach (string backend in backends.Cast<string>().DefaultIfEmpty("native"))
        {
            using var bench = Measurement.Workers.Bench.Of(backend, (model, input)
                => BuiltInModels.Create(model, input));
            bench.Load(new Request(Order.Prepare) { Threads = Environment.ProcessorCount });
            yield return bench.Library;
        }
        yield return RuntimeInformation.FrameworkDescription;
        yield return $"BenchmarkDotNet {typeof(Summary).Assembly.GetName().Version!.ToString(3)}";
    }

    private static string TableOf(Summary summary)
    {
        var log = new AccumulationLogger();
        MarkdownExporter.GitHub.ExportToLog(summary, log);
        return log.GetLog();
    }

    private static double Peak()
    {
        using var backend = new NativeBackend();
        return ProcessorPeak.Gflops(backend);
    }
}
