using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Writes the plan of a backend as a table: a row for each kernel call below the layer that it belongs
/// to.</summary>
internal static class PlanTable
{
    /// <summary>Writes the layers with their calls, and the memory use.</summary>
    public static void Write(IAnsiConsole people, PlanDescription plan)
    {
        var table = new TextTable(1, ["layer and kernels", "algorithm",
            .. TableHead.Figures("MFLOP", "MB", "workspace MB", "threads"), TableHead.Prose("why")]);
        foreach (PlannedLayer layer in plan.Layers)
        {
            table.Add(layer.Title, "", "", "", "", "", Layouts(layer));
            foreach (PlannedCall call in layer.Calls)
            {
                table.Add($"  {call.Kernel}", call.Algorithm, call.Flops > 0 ? $"{call.Flops / 1e6:N1}" : "",
                    $"{call.Bytes / 1e6:N2}",
                    call.WorkspaceBytes > 0 ? $"{call.WorkspaceBytes / 1e6:N2}" : "", $"{call.Threads}", call.Reason);
            }
        }
        people.Write(table);
        people.WriteLine(plan.Memory.ToString());
    }

    private static string Layouts(PlannedLayer layer)
    {
        string writes = layer.Writes is { } y ? $" → {y}" : "", weights = layer.Weights is { } form
            ? $", weights {form}" : "";
        return $"{string.Join(", ", layer.Reads)}{writes}{weights}";
    }
}
