// Checks a library that a child program calls: random layers of every kind that it supports, in exact and in real mode.
//
//   dotnet run -c Release --project examples/AnyLibrary -- relu python3 examples/AnyLibrary/relu.py
//
// The first word names the library in reports; the others start the child program, which ProcessBackend.cs describes.
// The exit code is 1 if a result is wrong. The smallest case that fails is then written to a file.
using ConvNet.Examples;
using ConvNet.GradientChecking;

const int Cases = 600;

if (args.Length < 2)
{
    Console.Error.WriteLine("Name the library and its child program, such as: relu python3 relu.py");
    return 2;
}
using var backend = new ProcessBackend(args[0], args[1], args[2..]);
long values = 0;
var kinds = new SortedDictionary<string, (int Checked, int Wrong)>();
(LayerGradientCase Case, GradientReport Report)? smallest = null;
for (ulong seed = 1; seed <= Cases; seed++)
{
    LayerGradientCase random = RandomCases.Layer(seed);
    LayerGradientCase made = random with
    {
        Options = random.Options with { Modes = CheckModes.Exact | CheckModes.Real },
    };
    GradientReport report;
    try
    {
        report = made.Run([backend]);
    }
    catch (NotSupportedException)
    {
        continue;
    }
    bool wrong = report.Verdict != Verdict.Pass;
    (int before, int wrongBefore) = kinds.GetValueOrDefault(made.Layer.Kind);
    kinds[made.Layer.Kind] = (before + 1, wrongBefore + (wrong ? 1 : 0));
    values += report.Checked;
    if (wrong && (smallest is null || report.Checked < smallest.Value.Report.Checked))
        smallest = (made, report);
}
foreach ((string kind, (int count, int wrong)) in kinds)
    Console.WriteLine($"{kind}: {wrong} of {count} layers wrong");
int unsupported = Cases - kinds.Values.Sum(kind => kind.Checked);
Console.WriteLine($"{values:N0} values compared; {unsupported} of {Cases} random layers are of kinds or sizes that the "
    + "child does not support");
if (values == 0)
{
    Console.Error.WriteLine($"Nothing was compared: {args[1]} supports none of the layers.");
    return 2;
}
if (smallest is not { } failure)
    return 0;
GradientCaseFile.Save($"{args[0]}-failure.json", failure.Case);
Console.WriteLine($"\nThe smallest: {failure.Case.Layer} on {string.Join(" + ", failure.Case.Inputs)}, written to "
    + $"{args[0]}-failure.json\n{failure.Report}");
return 1;
