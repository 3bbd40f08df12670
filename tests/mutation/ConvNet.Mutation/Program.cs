using System.CommandLine;
using System.Text.Json;

namespace ConvNet.Mutation;

/// <summary>The C# side of mutate.py: lists mutants, compiles them into assemblies, and runs the tests with one of them
/// selected.</summary>
internal static class Program
{
    /// <summary>The environment variable with the number of the mutant to run; unset or 0 for the unmodified
    /// product.</summary>
    public const string Variable = "CONVNET_MUTANT";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private static int Main(string[] args)
    {
        var root = new Argument<string>("root") { Description = "The root of the repository, built in Release" };
        var folder = new Argument<string>("folder") { Description = "A copy of this program's folder" };
        var numbers = new Argument<int[]>("numbers") { Description = "The mutants" };
        var isa = new Option<NativeIsa>("--isa") { Description = "The instruction set to test with",
            DefaultValueFactory = _ => NativeBackend.SupportedIsas[^1] };

        var all = new Option<bool>("--all") { Description = "Run every test of the native backend" };

        var list = new Command("list", "Prints every mutant as JSON") { root };
        list.SetAction(parsed => Print(Mutants(Projects(parsed.GetRequiredValue(root)))));
        var compile = new Command("compile", "Compiles mutants into the assemblies of a folder, and prints the "
            + "numbers of those that compile") { root, folder, numbers };
        compile.SetAction(
            parsed => Print(Compile(Projects(parsed.GetRequiredValue(root)), parsed.GetRequiredValue(folder),
            [.. parsed.GetRequiredValue(numbers)])));
        var test = new Command("test", "Runs the tests of the native backend up to the first that fails") { isa, all };
        test.SetAction(parsed => Test(new Suite(parsed.GetRequiredValue(isa), parsed.GetValue(all))));
        return new RootCommand("The C# part of the mutation run") { list, compile, test }.Parse(args).Invoke();
    }

    private static Project[] Projects(string root) =>
    [
        new(Path.GetFullPath(root), "ConvNet.Managed", "Planning/"),
        new(Path.GetFullPath(root), "ConvNet.Native", "Algorithms/", "NativePass.cs", "NativePlan.cs",
            "Steps/"),
    ];

    private static List<Mutant> Mutants(Project[] projects)
    {
        var found = new List<Mutant>();
        foreach (Project project in projects)
            found.AddRange(project.Mutate(found.Count + 1, _ => false).Mutants);
        return found;
    }

    private static IEnumerable<int> Compile(Project[] projects, string folder, HashSet<int> wanted)
    {
        int first = 1;
        foreach (Project project in projects)
        {
            int next = first + project.Mutate(first, _ => false).Mutants.Count;
            project.Compile(first, wanted, folder);
            first = next;
        }
        return wanted.Order();
    }

    private static int Test(Suite suite)
    {
        suite.Run();
        Console.WriteLine(suite.Failure ?? $"{suite.Passed} tests passed");
        return suite.Failure is null && suite.Passed > 0 ? 0 : 1;
    }

    private static int Print<T>(T value)
    {
        Console.WriteLine(JsonSerializer.Serialize(value, Json));
        return 0;
    }
}
